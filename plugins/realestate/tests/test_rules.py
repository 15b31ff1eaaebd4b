"""Each rule refuses in its scene; roles and malformed payloads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hn_realestate import models
from hn_realestate.rules import RULES
from realestate_scenes import SCENES
from realestate_scenes.scene import DOC, UNIT, person


def test_every_rule_has_a_scene_and_texts() -> None:
    assert set(SCENES) == {name for name, _, _ in RULES}
    assert all(zh != en and zh and en for _, zh, en in RULES)


@pytest.mark.parametrize("rule", sorted(name for name, _, _ in RULES))
def test_rule_refuses(world: Any, rule: str) -> None:
    SCENES[rule](world)
    world.check()


ANYBODY = {"report_overdue", "lapse", "grant", "revoke", "use_grant"}


def test_every_action_but_those_for_anybody_asks_for_its_role(world: Any) -> None:
    actions = world.chain.host.applications["realestate"].actions
    assert {name for name, action in actions.items() if not action.roles} == ANYBODY
    for name in actions:
        assert world.do(world.nobody, name).code == (4004 if name in ANYBODY else 4007), name


def test_no_payload_has_a_free_text_field() -> None:
    """Every text field is an enumeration, a fixed shape or a checked identifier."""
    for model in models.Payload.__subclasses__():
        for field in msgspec.inspect.type_info(model).fields:  # type: ignore[attr-defined]
            if isinstance(field.type, msgspec.inspect.StrType):
                assert field.type.pattern is not None, (model.__name__, field.name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("case", "short"),
        ("case", "lower-case"),
        ("case", "CASE-001\n"),
        ("case", "业务-000001"),
        ("unit", UNIT[:-1]),
        ("unit", UNIT.lower()),
        ("unit", f"{UNIT}\n"),
        ("unit", UNIT.replace("GB", "XB")),
        ("contract", "AB" * 32),
        ("contract", None),
        ("kind", "gift"),
        ("givers", [DOC]),
        ("givers", ["张三"]),
        ("givers", [person("zhang")] * 17),
        ("takers", [{"holder": person("li"), "share": 0, "of": 1}]),
        ("takers", [{"holder": person("li"), "share": 0.5, "of": 1}]),
        ("takers", [{"holder": person("li"), "share": 1, "of": 10**6 + 1}]),
        ("takers", [{"holder": person("li"), "share": 1, "of": 1, "name": "李四"}]),
        ("remark", "张三 13812345678"),
    ],
)
def test_malformed_payloads_are_invalid(world: Any, field: str, value: Any) -> None:
    payload = {**world.request("CASE-001"), field: value}
    assert world.do(world.agent, "submit", **payload).code == 4004
