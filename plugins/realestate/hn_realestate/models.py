"""Payloads of the actions. All times are Unix milliseconds, all shares exact fractions, all documents SM3 hashes of
`salt16 || file`.

No field is free text, and no person is named: a holder is a reference, the key epoch and an HMAC-SM3 under the domain's
key, which nobody without that key can turn back.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hnnode.plugin_api import END

REF_BYTES = 34
"""A holder's reference: u16 key epoch || HMAC-SM3."""
HOLDERS_MAX = 16
TITLES_MAX = 12
TITLE_HOLDERS_MAX = 4
"""Together they keep an import within the writes of one transaction."""
MATERIALS_MAX = 32
SEIZURE_DAYS_MAX = 1_095

Name = Annotated[str, Meta(pattern="^[A-Z0-9][A-Z0-9-]{5,31}" + END, max_length=32)]
"""Of a case, right or certificate: chosen by whoever makes it, never used again."""
UnitCode = Annotated[str, Meta(pattern="^[0-9]{12}[GJZ][ABCDEFGHSWXY][0-9]{5}[FLQW][0-9]{8}" + END)]
"""不动产单元代码, GB/T 37346-2019."""
Document = Annotated[str, Meta(pattern="^[0-9a-f]{64}" + END)]
AccountId = Annotated[str, Meta(pattern="^[0-9a-f]{40}" + END)]
HolderRef = Annotated[str, Meta(pattern="^[0-9a-f]{68}" + END)]
GrantId = Annotated[str, Meta(pattern="^[0-9a-f]{32}" + END)]
Part = Annotated[int, Meta(ge=1, le=1_000_000)]
Millis = Annotated[int, Meta(ge=0, le=2**53)]

Kind = Literal["first", "transfer", "mortgage", "pre_notice", "cancel"]
Right = Literal["house_ownership", "state_land_use", "collective_land_use", "homestead_use", "forest", "other"]
ItemName = Literal[
    "identity", "household", "marriage", "contract", "eligibility", "funds", "deed_tax", "invoice", "completion"
]
Source = Literal["police", "tax", "housing", "civil", "applicant"]
Reason = Literal["material", "attestation", "dispute", "seized", "law", "other"]
Purpose = Literal["loan", "purchase", "lawsuit", "inheritance", "service"]


class Payload(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every payload."""


class Holding(Payload):
    """`share / of` of the unit in one hand."""

    holder: HolderRef
    share: Part
    of: Part


Holdings = Annotated[list[Holding], Meta(max_length=HOLDERS_MAX)]


class Submit(Payload):
    """Ask for an entry. `contract`: the contract, decision or agreement it rests on; `price`: commitment to the amount.

    A transfer says whose shares go (`givers`, whole) and who takes how much (`takers`, who keep among them); a first
    registration and a pre-notice have takers alone, a mortgage and a cancellation neither.
    """

    case: Name
    unit: UnitCode
    contract: Document
    kind: Kind
    right: Right = "house_ownership"
    givers: Annotated[list[HolderRef], Meta(max_length=HOLDERS_MAX)] = []
    takers: Holdings = []
    price: Document | None = None


class AttachRef(Payload):
    """Refer to a material that lies with a department, or with the applicant."""

    case: Name
    document: Document
    source: Source


class DeptAttest(Payload):
    """A department's answer on its item. `contract`: what the answer covers, for items about the contract."""

    case: Name
    document: Document
    item: ItemName
    passed: bool = True
    contract: Document | None = None


class Accept(Payload):
    case: Name


class Supplement(Payload):
    """Ask the applicant for more; the clock stands. `items`: attestations to be given anew."""

    case: Name
    document: Document
    items: Annotated[list[ItemName], Meta(max_length=9)] = []


class Resubmit(Payload):
    """The applicant has supplied what was asked for. A new `contract` voids the attestations that covered the old one."""

    case: Name
    contract: Document | None = None


class Review(Payload):
    case: Name


class Book(Payload):
    """Enter it in the register. `acknowledged`: the parties know of the objection and go on."""

    case: Name
    acknowledged: bool = False


class IssueCert(Payload):
    case: Name
    certificate: Name


class Withdraw(Payload):
    case: Name


class Reject(Payload):
    case: Name
    document: Document
    reason: Reason


class Mortgage(Payload):
    """The bank's signature on a mortgage case: contract and commitment to the secured amount."""

    case: Name
    contract: Document
    amount: Document


class Agree(Payload):
    """A mortgagee's signature on a case that touches the unit it holds a mortgage of."""

    case: Name
    right: Name


class Release(Payload):
    unit: UnitCode
    right: Name
    document: Document


class Objection(Payload):
    """Somebody disputes the entry; it lapses by itself."""

    unit: UnitCode
    right: Name
    objector: HolderRef
    document: Document


class Cancel(Payload):
    """End a pre-notice or an objection."""

    unit: UnitCode
    right: Name
    document: Document


class Seize(Payload):
    unit: UnitCode
    right: Name
    document: Document
    days: Annotated[int, Meta(ge=1, le=SEIZURE_DAYS_MAX)]


class Unseize(Payload):
    unit: UnitCode
    right: Name
    document: Document


class Lapse(Payload):
    """Strike what has expired off a unit's page."""

    unit: UnitCode


class Correct(Payload):
    """Right the holders of an entry. The wrong one stays in the history; a new certificate takes the old one's place."""

    unit: UnitCode
    document: Document
    certificate: Name
    holders: Annotated[list[Holding], Meta(min_length=1, max_length=HOLDERS_MAX)]


class TitleEntry(Payload):
    unit: UnitCode
    document: Document
    holders: Annotated[list[Holding], Meta(min_length=1, max_length=TITLE_HOLDERS_MAX)]
    right: Right = "house_ownership"


class ImportTitles(Payload):
    """Take over entries of the register that was kept before; only until the import is closed."""

    titles: Annotated[list[TitleEntry], Meta(min_length=1, max_length=TITLES_MAX)]


class ReportOverdue(Payload):
    case: Name


class BindHolder(Payload):
    """The account that speaks for a holder, after its identity was checked."""

    holder: HolderRef
    account: AccountId


class Grant(Payload):
    """A holder lets an account ask once, or `uses` times, for its units."""

    grant: GrantId
    holder: HolderRef
    grantee: AccountId
    purpose: Purpose
    until_ms: Millis
    uses: Annotated[int, Meta(ge=1, le=1_000)] = 1


class Revoke(Payload):
    grant: GrantId


class UseGrant(Payload):
    """Log a use; its key opens the query `holder_units` for a while."""

    grant: GrantId
    purpose: Purpose


class SetCalendar(Payload):
    """`free`: weekdays that are not worked; `worked`: weekend days that are; both as days of the year from 1."""

    year: Annotated[int, Meta(ge=1970, le=2999)]
    free: Annotated[list[Annotated[int, Meta(ge=1, le=366)]], Meta(max_length=100)] = []
    worked: Annotated[list[Annotated[int, Meta(ge=1, le=366)]], Meta(max_length=100)] = []


class SetParameters(Payload):
    """`half_days`: time for handling a case; `objection_days`: life of an objection; `use_blocks`: how long a logged use
    opens the query; `import_open`: false closes the import for ever.
    """

    half_days: Annotated[int, Meta(ge=1, le=240)]
    objection_days: Annotated[int, Meta(ge=1, le=365)]
    use_blocks: Annotated[int, Meta(ge=1, le=100_000)]
    import_open: bool
