"""Events: what each tells beside the code, shipment, report, grant or item that it is about. Documents stand as hashes."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """Base of what every event tells."""


class ProductRegistered(Event):
    """`holder`: account of the marketing authorisation holder, `uscc` its credit code."""

    approval: str
    holder: str
    uscc: str
    drug_codes: list[str]


class Activated(Event):
    """`root`: of the codes, of which there are `codes`; `units`: of use in all of them."""

    product: str
    root: str
    codes: int
    units: int


class Recalled(Event):
    """`level` 1 is the most urgent."""

    product: str
    level: int
    document: str
    units: int


class TraceParametersSet(Event):
    offer_minutes: int


class Aggregated(Event):
    """`new`: the container is a new one. `contents`: packs in it now."""

    packs: list[str]
    new: bool
    contents: int


class Destroyed(Event):
    """The event is about the first of the packs."""

    packs: list[str]
    document: str


class Frozen(Event):
    """`reached`: packs held so far; `left`: the walk is not at its end."""

    hold: str
    reason: str
    reached: int
    left: bool


class HoldChanged(Event):
    hold: str
    reached: int
    left: bool


class Shipped(Event, rename={"sender": "from"}):
    """`ends_ms`: until when the receiver may confirm."""

    sender: str
    to: str
    packs: list[str]
    ends_ms: int


class Returned(Event, rename={"sender": "from"}):
    sender: str
    to: str
    packs: list[str]
    reason: str
    ends_ms: int


class Received(Event, rename={"sender": "from"}):
    """`packs`: those that came. `returned`: they came back."""

    sender: str
    to: str
    packs: list[str]
    returned: bool


class Overdue(Event, rename={"sender": "from"}):
    """`ends_ms`: until when the receiver could have confirmed."""

    sender: str
    to: str
    ends_ms: int


class TakenBack(Event):
    packs: list[str]


class Dispensed(Event):
    """`rx`: reference of the prescription."""

    by: str
    rx: str


class Settled(Event):
    settlement: str
    dispensed_ms: int


class Duplicate(Event):
    """`first_by`, `first_ms`: who dispensed it first, and when. `alarms`: how many there are for the code."""

    by: str
    document: str
    first_by: str
    first_ms: int
    alarms: int


class ItemSet(Event):
    kind: str
    valid_days: int
    active: bool


class QualitySet(Event):
    item: str
    from_ms: int
    until_ms: int


class ReviewParametersSet(Event):
    review_blocks: int


class PatientBound(Event):
    """`again`: another account was bound before."""

    account: str
    again: bool


class Indexed(Event):
    item: str
    scope: str


class Amended(Event):
    """`corrected`: the report that takes its place."""

    corrected: str


class Withdrawn(Event):
    document: str


class Granted(Event):
    grantee: str
    fields: list[str]
    purpose: str
    expires_at_ms: int
    uses_max: int


class Revoked(Event):
    """`uses`: how often the grant was used."""

    uses: int


class Accessed(Event):
    """`access`: key of the log entry."""

    access: str
    by: str
    fields: list[str]
    purpose: str


class Emergency(Event):
    """`review_by`: height by which the access is to be reviewed."""

    access: str
    by: str
    fields: list[str]
    document: str
    review_by: int


class Reviewed(Event):
    """`late`: behind the height by which it was to be."""

    verdict: str
    document: str
    late: bool


class Recognised(Event):
    item: str
    by: str


class Declined(Event):
    item: str
    by: str
    reason: str


EVENTS: tuple[tuple[str, type[Event], str, str], ...] = (
    ("accessed", Accessed, "已调阅", "A report was accessed"),
    ("activated", Activated, "追溯码已激活", "Codes were activated"),
    ("aggregated", Aggregated, "已装箱", "Packs went into a container"),
    ("amended", Amended, "报告已更正", "A report was amended"),
    ("declined", Declined, "不予互认", "A result was declined"),
    ("destroyed", Destroyed, "已销毁", "Packs were destroyed"),
    ("dispensed", Dispensed, "已发药", "A pack was dispensed"),
    ("duplicate_scan", Duplicate, "重复扫码", "A dispensed code was scanned again"),
    ("duplicate_settlement", Duplicate, "重复结算", "A settled code was claimed again"),
    ("emergency", Emergency, "紧急调阅", "A report was accessed in an emergency"),
    ("frozen", Frozen, "已冻结", "Packs were frozen"),
    ("granted", Granted, "已授权", "Access was granted"),
    ("indexed", Indexed, "已登记报告", "A report was indexed"),
    ("item_set", ItemSet, "已设置互认项目", "An item of the catalogue was set"),
    ("overdue", Overdue, "收货逾期", "A shipment was not received in time"),
    ("patient_bound", PatientBound, "已绑定患者标识", "An account was bound to a patient"),
    ("product_registered", ProductRegistered, "已登记药品", "A drug was registered"),
    ("propagated", HoldChanged, "冻结继续传播", "A freeze went on spreading"),
    ("quality_set", QualitySet, "已设置质控有效期", "Validity of quality control was set"),
    ("recalled", Recalled, "批次已召回", "A batch was recalled"),
    ("received", Received, "已收货", "A shipment was received"),
    ("recognised", Recognised, "已互认", "A result was recognised"),
    ("returned", Returned, "已退货", "Packs were sent back"),
    ("review_parameters_set", ReviewParametersSet, "已设置复核参数", "Parameters of reviews were set"),
    ("reviewed", Reviewed, "紧急调阅已复核", "An emergency access was reviewed"),
    ("revoked", Revoked, "授权已撤销", "A grant was revoked"),
    ("settled", Settled, "已结算核验", "A pack was checked for settlement"),
    ("shipped", Shipped, "已发货", "Packs were sent to a receiver"),
    ("taken_back", TakenBack, "逾期发货已收回", "A sender took a shipment back"),
    ("trace_parameters_set", TraceParametersSet, "已设置追溯参数", "Trace parameters were set"),
    ("unfrozen", HoldChanged, "已解除冻结", "A freeze was lifted"),
    ("withdrawn", Withdrawn, "报告已撤回", "A report was withdrawn"),
)
