"""What a broken rule says: rules of the core are in this program, those of plugins are asked of the node."""

from __future__ import annotations

from hnnode.cli.connection import get_json
from hnnode.cli.language import say
from hnnode.cli.session import session
from hnnode.errors import HnError


def words_of(rule: str) -> str:
    """A rule in the language of this command; empty when neither this program nor the node that was asked knows it."""
    from hnnode.execution.native_rules import NATIVE_RULES

    if rule in NATIVE_RULES:
        return say(*NATIVE_RULES[rule])
    application, separator, _ = rule.partition(".")
    if not separator or session.asked is None:
        return ""
    try:
        found = get_json(session.asked, "/v1/applications")["applications"]
        rules = next(each["rules"] for each in found if each["application"] == application)
        told = next(each for each in rules if each["rule"] == rule)
        return say(str(told["message_zh"]), str(told["message_en"]))
    except (HnError, KeyError, TypeError, StopIteration):
        return ""
