"""Exit codes: one for each error, and only the documented ones."""

from __future__ import annotations

import re

import pytest

from hnnode.cli import failure, rules
from hnnode.cli.app import command_tree
from hnnode.cli.language import LANGUAGES, set_language
from hnnode.cli.session import session
from hnnode.errors import CODES, ERRORS, ConfigError, Rejected, Unavailable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NOT_FOUND", failure.NOT_FOUND),
        ("QUERY_UNKNOWN", failure.NOT_FOUND),
        ("PARAMETER_INVALID", failure.USAGE),
        ("SIGNATURE_INVALID", failure.REJECTED),
        ("ACCOUNT_UNKNOWN", failure.REJECTED),
        ("TX_EXPIRED", failure.REJECTED),
        ("RULE_VIOLATION", failure.REJECTED),
        ("ROLE_MISSING", failure.REJECTED),
        ("PROOF_SUBJECT", failure.REJECTED),
        ("CERTIFICATE_QUORUM", failure.REJECTED),
        ("MEMPOOL_FULL", failure.UNAVAILABLE),
        ("SYNCING", failure.UNAVAILABLE),
        ("NODE_UNREACHABLE", failure.UNAVAILABLE),
        ("TIMEOUT", failure.TIMEOUT),
        ("CONFIG_INVALID", failure.ERROR),
        ("KEY_FILE_PERMISSIONS", failure.ERROR),
        ("PORT_BUSY", failure.ERROR),
        ("VOTE_CONFLICTING", failure.ERROR),
    ],
)
def test_exit_code_of(name: str, expected: int) -> None:
    assert failure.exit_code(CODES[name]) == expected


def test_every_code_has_a_documented_exit_code() -> None:
    documented = {code for code, _, _ in failure.EXIT_TEXTS}
    assert {failure.exit_code(code) for code in ERRORS} <= documented - {failure.OK}
    assert failure.exit_code(0) == failure.OK
    assert failure.exit_code(424_242) == failure.ERROR


def test_line_names_code_detail_and_rule() -> None:
    assert failure.line(2008, "tx 3") == "2008 SIGNATURE_INVALID signature is invalid: tx 3"
    assert failure.line(4001, "not released", "coldchain.not_released").endswith(
        ": not released [coldchain.not_released]"
    )
    assert failure.line(1005, "not found") == "1005 NOT_FOUND not found"
    assert failure.line(424_242, "odd") == "424242 odd"


def test_describe_knows_the_errors_a_verb_may_raise() -> None:
    assert failure.describe(Rejected("NOT_FOUND", "tx")) == ("1005 NOT_FOUND not found: tx", failure.NOT_FOUND)
    assert failure.describe(Unavailable("TIMEOUT"))[1] == failure.TIMEOUT
    assert failure.describe(ConfigError("CONFIG_INVALID", "x"))[1] == failure.ERROR
    text, status = failure.describe(FileNotFoundError(2, "No such file or directory", "a.pdf"))
    assert (text, status) == ("a.pdf: No such file or directory", failure.ERROR)
    with pytest.raises(TypeError):
        failure.describe(KeyError("a defect"))


def test_a_broken_rule_and_a_refused_package_say_why_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    applications = [{"application": "demo", "rules": [{"rule": "demo.no", "message_zh": "不行", "message_en": "no"}]}]
    monkeypatch.setattr(rules, "get_json", lambda url, path: {"applications": applications})
    monkeypatch.setattr(session, "asked", "http://node")
    for language, native, own, package in (
        ("zh", "该验证者已表决", "不行", "太大"),
        ("en", "this validator has voted already", "no", "too large"),
    ):
        set_language(language)  # type: ignore[arg-type]
        voted = failure.describe(Rejected("RULE_VIOLATION", "x", rule="governance.already_voted"))[0]
        assert voted.endswith(f": x [governance.already_voted: {native}]")
        assert failure.describe(Rejected("RULE_VIOLATION", rule="demo.no"))[0].endswith(f" [demo.no: {own}]")
        assert failure.describe(Rejected("RULE_VIOLATION", rule="demo.other"))[0].endswith(" [demo.other]")
        refused = ConfigError("PLUGIN_PACKAGE_INVALID", "too large", zh="太大")
        assert failure.describe(refused)[0].endswith(f": {package}")
    set_language("en")


@pytest.mark.parametrize("name", failure.NEXT)
def test_an_error_with_a_next_step_names_it_in_both_languages(name: str) -> None:
    assert name in CODES
    told = []
    for language in LANGUAGES:
        set_language(language)
        told.append(failure.advice(Rejected(name)))
    assert told == list(failure.NEXT[name])
    assert told[0] != told[1]


def test_verbs_named_as_a_next_step_exist() -> None:
    for texts in failure.NEXT.values():
        for text in texts:
            for words in re.findall(r"hnnode((?: [a-z]+)+)", text):
                command = command_tree("en")
                for word in words.split():
                    commands = getattr(command, "commands", {})
                    if not commands:
                        break  # a word of the sentence, or an argument
                    command = commands[word]
                assert not getattr(command, "commands", {}), words


def test_no_next_step_where_there_is_none_to_name() -> None:
    assert failure.advice(Rejected("SIGNATURE_INVALID")) == ""
    assert failure.advice(FileNotFoundError(2, "No such file or directory", "a.pdf")) == ""
