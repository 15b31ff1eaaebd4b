"""What the application keeps: records and their keys.

u… ‖ unit                       Version of Title (std.registry)      k ‖ case             Case
w… ‖ case                       case file, opinions, due index       q ‖ unit             Queue
h ‖ holder34 ‖ unit             in the holder's hands                x ‖ certificate      Certificate
c… ‖ grant16                    grants and their uses (std.consent)  b ‖ holder34         account that speaks for it
n ‖ year2                       working days (std.calendar)          p                    Parameters
e… ‖ document ‖ case            material under its case (std.evidence)
t ‖ time8 ‖ case                alarm of a clock, handled at the end of a block
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from hn_realestate.models import REF_BYTES
from hnnode.plugin_api import Context, Reader, Records, TxInfo
from hnnode.plugin_api.std.consent import Consent, ConsentRules
from hnnode.plugin_api.std.evidence import SM3, Evidence, EvidenceRules
from hnnode.plugin_api.std.registry import Registry, RegistryRules, StatusTable, Version
from hnnode.plugin_api.std.shares import Share

CASE_TABLE = StatusTable(
    {
        "draft": ("accepted", "rejected", "withdrawn"),
        "accepted": ("supplement", "reviewed", "rejected", "withdrawn"),
        "supplement": ("accepted", "rejected", "withdrawn"),
        "reviewed": ("supplement", "booked", "rejected", "withdrawn"),
        "booked": ("certified",),
        "certified": (),
        "rejected": (),
        "withdrawn": (),
    },
    ("draft",),
)
DRAFT, ACCEPTED, SUPPLEMENT, REVIEWED, BOOKED, CERTIFIED, REJECTED, WITHDRAWN = range(8)

UNIT_TABLE = StatusTable(
    {"registered": ("registered", "seized", "cancelled"), "seized": ("seized", "registered"), "cancelled": ()},
    ("registered",),
)
REGISTERED, SEIZED, CANCELLED = range(3)

MORTGAGE, PRE_NOTICE, OBJECTION, SEIZURE = 1, 2, 3, 4
RIGHT_NAMES = ("", "mortgage", "pre_notice", "objection", "seizure")
RIGHTS_MAX = 24
"""Entries beside the ownership on one unit's page."""
QUEUE_MAX = 16
"""Accepted cases of one unit that wait for being booked."""


class Entry(msgspec.Struct, array_like=True):
    """A mortgage, pre-notice, objection or seizure. `party`: account of the bank or court, or reference of the person;
    `order`: rank on the page, never given twice; `until_ms`: 0 for no end.
    """

    name: str
    kind: int
    order: int
    party: bytes
    document: bytes
    amount: bytes
    since_ms: int
    until_ms: int
    by: bytes


class Title(msgspec.Struct, array_like=True):
    """A unit's page. `by`: who entered the shares as they are; `case`: the case behind them, empty for an import;
    `edition` counts their changes: a certificate is good for one of them.
    """

    right: str
    shares: list[Share]
    contract: bytes
    by: bytes
    case: str
    edition: int = 1
    orders: int = 0
    entries: list[Entry] = []


class Material(msgspec.Struct, array_like=True):
    source: str
    document: bytes


class HasCase(Protocol):
    """A payload that names a case."""

    @property
    def case(self) -> str: ...


class Request(msgspec.Struct, array_like=True):
    """The first fields of a case."""

    status: int
    kind: str
    unit: str


class Case(Request, array_like=True):
    """A request for one entry. Accounts and hashes are empty where there is none yet. `agreed`: mortgages whose holder
    has signed; `bank` and what follows: the mortgagee's terms.
    """

    right: str
    by: bytes
    contract: bytes
    price: bytes
    givers: list[bytes]
    takers: list[Share]
    materials: list[Material] = []
    agreed: list[str] = []
    bank: bytes = b""
    bank_contract: bytes = b""
    amount: bytes = b""
    accepted_by: bytes = b""
    reviewed_by: bytes = b""
    certificate: str = ""
    reason: str = ""
    notice: bytes = b""
    changed_ms: int = 0


class Queue(msgspec.Struct, array_like=True):
    """Accepted cases of a unit in the order of their acceptance."""

    cases: list[str]


class Certificate(msgspec.Struct, array_like=True):
    unit: str
    case: str
    edition: int
    issued_ms: int
    by: bytes


class Parameters(msgspec.Struct, array_like=True):
    half_days: int = 1
    objection_days: int = 15
    use_blocks: int = 3_600
    import_open: bool = True


ALARM = b"t"
"""Prefix of the due index; a clock that was started leaves an alarm that goes off when its deadline has passed."""
CASES = Records(b"k", Case)
REQUESTS = Records(b"k", Request)
"""The same rows, to be read only: less of each is decoded."""
QUEUES = Records(b"q", Queue)
CERTIFICATES = Records(b"x", Certificate)
PARAMETERS = Records(b"p", Parameters)
MATERIALS = Evidence(
    b"e",
    EvidenceRules(
        malformed="realestate.case_unknown",
        previous="realestate.case_unknown",
        unknown="realestate.case_unknown",
        own="realestate.case_unknown",
        twice="realestate.case_unknown",
        missing="realestate.case_unknown",
    ),
)
"""Commitments to materials, owned by their cases. Payloads are checked before: nothing here is ever refused."""
MATERIAL_ALGORITHM = SM3
UNITS = Registry(
    b"u",
    UNIT_TABLE,
    RegistryRules(
        exists="realestate.unit_exists",
        unknown="realestate.unit_unknown",
        moved="realestate.unit_status",
        full="realestate.history_full",
    ),
)
CONSENT = Consent(
    b"c",
    REF_BYTES,
    ConsentRules(
        exists="realestate.grant_exists",
        unknown="realestate.grant_unknown",
        period="realestate.grant_period",
        not_granter="realestate.not_granter",
        revoked="realestate.grant_revoked",
        early="realestate.grant_period",
        expired="realestate.grant_expired",
        used_up="realestate.grant_used_up",
        not_grantee="realestate.not_grantee",
        purpose="realestate.grant_purpose",
        fields="realestate.grant_purpose",
        overdue="realestate.grant_unknown",
        open_full="realestate.grant_unknown",
        use_unknown="realestate.grant_unknown",
        reviewed="realestate.grant_unknown",
    ),
)

_TITLES = Records(b"", Title)
"""Titles are no rows: each is the content of a version of its unit."""


def alarm_key(case: str, due_ms: int) -> bytes:
    return ALARM + (due_ms + 1).to_bytes(8, "big") + case.encode()


def case_key(case: str) -> bytes:
    return b"k" + case.encode()


def page_keys(_: TxInfo, payload: HasCase, rows: Reader) -> Sequence[bytes]:
    """Key of the page of a case's unit."""
    case = REQUESTS.get(rows, payload.case.encode())
    return () if case is None else (UNITS.key(case.unit.encode()),)


def waiting_keys(_: TxInfo, payload: HasCase, rows: Reader) -> Sequence[bytes]:
    """Key of the queue of a case's unit."""
    case = REQUESTS.get(rows, payload.case.encode())
    return () if case is None else (queue_key(case.unit),)


def turn_keys(_: TxInfo, payload: HasCase, rows: Reader) -> Sequence[bytes]:
    """Keys of the page and the queue of a case's unit."""
    case = REQUESTS.get(rows, payload.case.encode())
    return () if case is None else (UNITS.key(case.unit.encode()), queue_key(case.unit))


def queue_key(unit: str) -> bytes:
    return b"q" + unit.encode()


def holder_key(holder: bytes, unit: str) -> bytes:
    return b"h" + holder + unit.encode()


def binding_key(holder: bytes) -> bytes:
    return b"b" + holder


def load(tx: Context, case: str) -> Case:
    """The case, or refusal by `case_unknown`."""
    found = CASES.get(tx, case.encode())
    if found is None:
        tx.fail("realestate.case_unknown")
    return found


def move(tx: Context, case: Case, status: int) -> None:
    """Put the case into a status that may follow its own, or refuse by `wrong_status`; the caller stores it."""
    if not CASE_TABLE.allows(case.status, status):
        tx.fail("realestate.wrong_status")
    case.status = status


def store(tx: Context, name: str, case: Case) -> None:
    case.changed_ms = tx.block_time_ms
    CASES.put(tx, name.encode(), case)


def title_of(version: Version) -> Title:
    return _TITLES.decode(version.content)


def parameters(tx: Context) -> Parameters:
    return PARAMETERS.get(tx, b"") or Parameters()


def write_page(tx: Context, unit: str, before: Version, title: Title, cause: bytes) -> Version:
    """The unit's page as it is from now on; seized or not as its entries say."""
    seized = any(entry.kind == SEIZURE for entry in title.entries)
    return UNITS.transition(tx, unit.encode(), before, SEIZED if seized else REGISTERED, _TITLES.encode(title), cause)


def open_page(tx: Context, unit: str, title: Title, cause: bytes) -> Version:
    """First entry of a unit."""
    for holder, _, _ in title.shares:
        tx.put(holder_key(holder, unit), b"")
    return UNITS.create(tx, unit.encode(), REGISTERED, _TITLES.encode(title), cause)


def correct_page(tx: Context, unit: str, before: Version, title: Title, cause: bytes) -> Version:
    return UNITS.correct(tx, unit.encode(), before, _TITLES.encode(title), cause)


def close_page(tx: Context, unit: str, before: Version, title: Title, cause: bytes) -> Version:
    """The unit is no more; its page stays readable."""
    for holder, _, _ in title.shares:
        tx.delete(holder_key(holder, unit))
    return UNITS.transition(tx, unit.encode(), before, CANCELLED, _TITLES.encode(title), cause)


def set_shares(tx: Context, unit: str, title: Title, shares: list[Share]) -> None:
    """Change hands: index and edition follow. The page itself is for the caller to write."""
    old, new = {share[0] for share in title.shares}, {share[0] for share in shares}
    for holder, _, _ in title.shares:
        if holder not in new:
            tx.delete(holder_key(holder, unit))
    for holder, _, _ in shares:
        if holder not in old:
            tx.put(holder_key(holder, unit), b"")
    title.shares, title.by = shares, tx.sender
    title.edition += 1


def is_live(entry: Entry, now_ms: int) -> bool:
    return not entry.until_ms or now_ms < entry.until_ms


def strike_expired(tx: Context, unit: str, page: Version, title: Title) -> Version:
    """The page without entries whose time is over: as it is when there are none, a version of its own otherwise."""
    expired = [entry for entry in title.entries if not is_live(entry, tx.block_time_ms)]
    if not expired:
        return page
    title.entries = [entry for entry in title.entries if is_live(entry, tx.block_time_ms)]
    for entry in expired:
        tx.emit("realestate.lapsed", unit, {"right": entry.name, "kind": RIGHT_NAMES[entry.kind]})
    return write_page(tx, unit, page, title, b"")
