"""Made-up payloads and identifiers: valid ones are taken, near-valid ones are refused, both reach every field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import hn_coldchain
import hn_medical
import hn_realestate
import msgspec
import pytest
from hnnode_native import native_actions, tagged_hash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from hnnode.execution import Host
from hnnode.execution.host import Plugin
from hnnode.kit.chain import Chain
from hnnode.kit.fuzzing import Fuzz, refused
from hnnode.kit.fuzzing_ids import CHECKS, IDENTIFIERS
from hnnode.kit.measuring import measure_action
from hnnode.plugin_api import END, ids

STEADY = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
PACKAGES: dict[str, Any] = {"coldchain": hn_coldchain, "medical": hn_medical, "realestate": hn_realestate}


@pytest.fixture(scope="module")
def host() -> Host:
    plugins = [Plugin(name, "1", each.plugin, Path(each.__file__).parent) for name, each in PACKAGES.items()]
    return Host(plugins, native_actions(), tagged_hash)


class Part(msgspec.Struct, forbid_unknown_fields=True):
    code: Annotated[str, Meta(pattern="^[A-F]{2,4}" + END)]
    share: Annotated[int, Meta(ge=1, le=9)]


class Model(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    unit_code: Annotated[str, Meta(min_length=28, max_length=28)]
    kind: Literal["a", "b"] | None
    parts: Annotated[list[Part], Meta(min_length=1, max_length=3)]
    step: Annotated[int, Meta(gt=0, lt=100, multiple_of=5)]
    flag: bool = False

    def __post_init__(self) -> None:
        if not ids.is_estate_unit(self.unit_code):
            raise ValueError("unit_code")


def no_model(action: str) -> type[msgspec.Struct]:
    raise KeyError(action)


@given(st.data())
@STEADY
def test_a_model_with_a_check_of_its_own(data: st.DataObject) -> None:
    fuzz = Fuzz(no_model)
    unit = fuzz.identifier("estate_unit")
    good = data.draw(fuzz(Model, unit_code=unit))
    assert msgspec.json.decode(msgspec.json.encode(good), type=Model).step % 5 == 0
    assert refused(Model, data.draw(fuzz.near(Model, unit_code=unit)))
    assert refused(Model, good | {"unitCode": data.draw(fuzz.near_identifier("estate_unit"))})


def test_a_field_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match="Model: has no field unit"):
        Fuzz(no_model)(Model, unit="x")


@pytest.mark.parametrize("scheme", sorted(IDENTIFIERS))
def test_identifiers_pass_their_check_and_near_ones_do_not(scheme: str) -> None:
    @given(Fuzz.identifier(scheme), Fuzz.near_identifier(scheme))
    @STEADY
    def tried(good: str, near: str) -> None:
        assert CHECKS[scheme](good)
        assert not CHECKS[scheme](near)

    tried()


def test_every_scheme_is_there() -> None:
    """Bank cards and telephone numbers are looked for in texts, not stored."""
    schemes = {name.removeprefix("is_") for name in ids.__all__ if name.startswith("is_")}
    assert schemes - {"bank_card", "digits", "mobile"} == set(IDENTIFIERS)


@pytest.mark.parametrize("application", sorted(PACKAGES))
def test_every_action_of_the_pilots(host: Host, application: str) -> None:
    actions = host.applications[application].actions
    fuzz = Fuzz(lambda action: actions[action].model)  # type: ignore[union-attr]

    @given(st.data())
    @STEADY
    def tried(data: st.DataObject) -> None:
        action = data.draw(st.sampled_from(sorted(actions)))
        assert refused(actions[action].model, data.draw(fuzz.near(action)))  # type: ignore[union-attr]

    tried()


def test_what_an_action_costs_is_told_and_not_judged(host: Host) -> None:
    chain = Chain(lambda: host, "coldchain")
    someone = chain.account("someone")
    action = next(iter(host.applications["coldchain"].actions))
    found = measure_action(chain, action, [someone.request(action, {}) for _ in range(60)])
    assert (found.tx_count, found.refused) == (60, 60)
    assert found.us >= 0 < found.loop_us  # none of these came to a handler
    assert found.text.startswith(f"{action}: 60 txs, 60 refused")
    with pytest.raises(ValueError, match="want requests of"):
        measure_action(chain, "other", [someone.request(action, {})])
