"""Every rule about drugs, their makers and their batches refuses what it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

DOC = "ab" * 32
PRODUCT = "86904879000126"
OTHER_PRODUCT = "86904879000133"
SCENES: dict[str, Callable[[Any], None]] = {}


def scene(check: Callable[[Any], None]) -> Callable[[Any], None]:
    SCENES[check.__name__] = check
    return check


@scene
def activation_exists(w: Any) -> None:
    w.activated()
    w.refused("activation_exists", w.maker, "activate", **w.batch())


@scene
def batch_differs(w: Any) -> None:
    w.activated()
    other = type(w.tree)(base=10)
    made_ms = w.batch()["made_ms"]
    w.refused("batch_differs", w.maker, "activate", **w.batch(other, made_ms=made_ms + 1))
    w.ok(w.maker, "activate", **w.batch(other))


@scene
def batch_unknown(w: Any) -> None:
    w.drug()
    w.refused("batch_unknown", w.regulator, "recall", product=PRODUCT, batch="B9", level=1, document=DOC)


@scene
def date_order(w: Any) -> None:
    w.drug()
    w.refused("date_order", w.maker, "activate", **w.batch(made_ms=5, expires_ms=5))


@scene
def drug_code_taken(w: Any) -> None:
    w.drug()
    w.refused("drug_code_taken", w.regulator, "register_product", **w.product(product=OTHER_PRODUCT))
    w.refused("drug_code_taken", w.regulator, "register_product", **w.product(drug_codes=["8111111"] * 2))
    many = [f"811111{n}" for n in range(8)]
    w.refused("drug_code_taken", w.regulator, "register_product", **w.product(drug_codes=many))


@scene
def not_holder_of_product(w: Any) -> None:
    w.activated()
    w.refused("not_holder_of_product", w.rival, "activate", **w.batch(type(w.tree)(base=10)))
    w.refused("not_holder_of_product", w.rival, "recall", product=PRODUCT, batch="B1", level=1, document=DOC)


@scene
def product_unknown(w: Any) -> None:
    w.refused("product_unknown", w.maker, "activate", **w.batch())


@scene
def product_code_invalid(w: Any) -> None:
    for product in ("86904879000127", "85904879000129", "69245618840740"):
        w.refused("product_code_invalid", w.regulator, "register_product", **w.product(product=product))


@scene
def uscc_invalid(w: Any) -> None:
    w.refused("uscc_invalid", w.regulator, "register_product", **w.product(uscc="11430000006122244K"))


@pytest.mark.parametrize("rule", sorted(SCENES))
def test_rule(rule: str, world: Any) -> None:
    SCENES[rule](world)
    world.check()
