"""Lists of transactions to make: JSON lines, and EPCIS documents through the plugin that understands them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
from hnnode_native import block_root

from hnnode.cli.language import say
from hnnode.errors import ConfigError, Rejected

COUNT_MAX = 100_000
SAMPLE_PARTIES = Path(__file__).parent / "samples" / "parties.json"


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


def read_parties(path: Path) -> dict[str, str]:
    """Party or location of EPCIS documents → name of the key that signs for it. Raises Rejected 1009."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except msgspec.DecodeError as e:
        raise Rejected("PARAMETER_INVALID", f"{path}: {e}") from e


def jobs_of_epcis(path: Path, parties: Mapping[str, str], account_of_key: Callable[[str], bytes]) -> list[Job]:
    """One job for each action of the document, in the order of its event times, signed by the party of its event.

    Args:
        parties: key name of each party or location the document names.
        account_of_key: 20 bytes of a key by its name.
    Raises Rejected 1009 with every fault of the document, ConfigError 9006 when no installed plugin reads EPCIS.
    """
    application, epcis = _epcis_reader()
    accounts = {party: account_of_key(key).hex() for party, key in parties.items()}
    try:
        found = epcis.import_document(path.read_bytes(), accounts, block_root)
    except epcis.EpcisError as e:
        faults = "; ".join(f"{pointer}: {reason}" for pointer, reason in e.problems)
        raise Rejected("PARAMETER_INVALID", f"{path}: {faults}") from e
    unknown = sorted({call.party for call in found.calls} - parties.keys())
    if unknown:
        hint = say("没有指定签名密钥的参与方：", "no key is given for the parties: ")
        raise Rejected("PARAMETER_INVALID", hint + ", ".join(unknown))
    return [Job(application, call.action, call.payload, parties[call.party]) for call in found.calls]


def _epcis_reader() -> tuple[str, Any]:
    """(application, module) of the installed plugin that has a module `epcis` with `import_document`."""
    for point in sorted(entry_points(group="hnnode.plugins"), key=lambda found: found.name):
        name = f"{point.module.partition('.')[0]}.epcis"
        if importlib.util.find_spec(name) is not None:
            return point.name, importlib.import_module(name)
    hint = say("没有安装能读 EPCIS 的插件", "no installed plugin reads EPCIS")
    raise ConfigError("PREREQUISITE_MISSING", hint)


def sample_document() -> Path:
    """The sample shipment that comes with the plugin; its parties stand in SAMPLE_PARTIES."""
    _, epcis = _epcis_reader()
    return next(iter(sorted((Path(epcis.__file__).parent / "samples").glob("*.json"))))
