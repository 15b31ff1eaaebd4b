"""`errors.md` from `hnnode.errors`."""

from __future__ import annotations

from hnnode.cli.failure import exit_code
from hnnode.errors import ERRORS

_HEAD = """# Errors

Rendered from `hnnode/errors.py` by `make docs`; do not edit. One number space for HTTP problem documents (`code`),
receipts, command line, logs and SDKs; a number is never used again for something else. `hnnode error CODE` explains
one on the spot.

*retry*: the same request may succeed later, wait for `Retry-After` or `retry_after_ms`. *exit*: exit code of the
command line. Rules of applications travel as `4001 RULE_VIOLATION` with a rule id such as `coldchain.not_released`.
"""

_RANGES: tuple[tuple[int, str], ...] = (
    (1000, "Gateway, schema, limits"),
    (2000, "Keys, identity, signatures"),
    (3000, "Mempool and batches"),
    (4000, "Execution and plugins"),
    (5000, "Consensus and proofs"),
    (6000, "Storage, sync, network"),
    (9000, "Operations"),
)


def render_errors() -> str:
    parts = [_HEAD]
    for start, title in _RANGES:
        parts += [
            f"## {start}: {title}\n",
            "| code | name | HTTP | retry | exit | 中文 | English |",
            "|---|---|---|---|---|---|---|",
        ]
        for code, info in sorted(ERRORS.items()):
            if start <= code < start + 1000:
                retry = "yes" if info.retryable else ""
                parts.append(
                    f"| {code} | `{info.name}` | {info.http} | {retry} | {exit_code(code)} | {info.zh} | {info.en} |"
                )
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"
