"""Lists of transactions to make: JSON lines, and EPCIS documents through the plugin that understands them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hnnode.cli.language import say
from hnnode.errors import Rejected

COUNT_MAX = 100_000
SAMPLE = Path(__file__).parent / "samples" / "shipment.jsonld"


@dataclass(frozen=True, slots=True)
class Job:
    """Payload bytes go on the chain as they are. `key` names the key to sign with; None: the one of the command."""

    application: str
    action: str
    payload: bytes
    key: str | None


class _Line(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    application: str
    action: str
    payload: msgspec.Raw
    key: str | None = None


def jobs_of_lines(data: bytes) -> list[Job]:
    """One job a line, empty lines left out. Raises Rejected 1009 naming the line."""
    decoder = msgspec.json.Decoder(_Line)
    jobs: list[Job] = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = decoder.decode(line)
        except msgspec.DecodeError as e:
            raise Rejected("PARAMETER_INVALID", say(f"第 {number} 行：{e}", f"line {number}: {e}")) from e
        jobs.append(Job(found.application, found.action, bytes(found.payload), found.key))
        if len(jobs) > COUNT_MAX:
            raise Rejected("BATCH_TOO_LARGE", f"more than {COUNT_MAX} lines")
    if not jobs:
        raise Rejected("PARAMETER_INVALID", say("没有交易", "no transactions"))
    return jobs


def jobs_of_epcis(path: Path, accounts: Mapping[str, bytes]) -> list[Job]:
    """One job for each step of the document, signed by the account of the role the step needs.

    Args:
        accounts: 20 bytes for each key name that may sign.
    Raises Rejected 1009 for a document the plugin does not understand.
    """
    raise NotImplementedError
