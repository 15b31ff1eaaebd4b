"""Exit codes: one for each error, and only the documented ones."""

from __future__ import annotations

import pytest

from hnnode.cli import failure
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
