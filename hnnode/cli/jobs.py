"""Lists of transactions to make: JSON lines, and documents through the plugin that understands them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

from hnnode.cli.language import say
from hnnode.errors import ConfigError, Rejected

COUNT_MAX = 100_000


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


def jobs_of_epcis(path: Path, accounts: Mapping[str, bytes], application: str = "coldchain") -> list[Job]:
    """One job for each action of the document, in the order of its event times; `key` is the role or party that signs.

    Args:
        accounts: 20 bytes for each role or party the document may name.
    Raises: as `jobs_of_document`.
    """
    return jobs_of_document(path.read_bytes(), accounts, application, "epcis")


def jobs_of_document(document: bytes, accounts: Mapping[str, bytes], application: str, form: str) -> list[Job]:
    """One job for each action that a document of a format asks for, in order; `key` is the role that signs.

    Raises: Rejected 1009 with the place of every fault, or for a format the application does not know; ConfigError 4009
    when the plugin is not installed.
    """
    from hnnode.execution.host import Host

    named = {name: account.hex() for name, account in accounts.items()}
    items = Host.load([application], counted=False).import_document(application, form, document, named)
    return [Job(application, item.action, item.payload, item.actor) for item in items]


def sample_document() -> Path:
    """The sample shipment that comes with the cold-chain plugin. Raises ConfigError 9006 when it is not installed."""
    for point in entry_points(group="hnnode.plugins", name="coldchain"):
        spec = importlib.util.find_spec(point.module.partition(".")[0])
        folder = Path(spec.origin).parent / "samples" if spec is not None and spec.origin is not None else Path()
        found = sorted(folder.glob("*.json"))
        if found:
            return found[0]
    raise ConfigError("PREREQUISITE_MISSING", "hnnode-coldchain")
