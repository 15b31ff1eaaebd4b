"""Events: what each tells beside the case, unit, grant or account that it is about. Documents and contracts stand as hashes."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """Base of what every event tells."""


class Submitted(Event):
    kind: str
    unit: str


class Attached(Event):
    source: str
    document: str


class Attested(Event):
    item: str
    passed: bool
    document: str


class Accepted(Event):
    """`place`: in the queue of the unit. `due_ms`: deadline of the case."""

    unit: str
    place: int
    due_ms: int


class Supplement(Event):
    """`items`: opinions that were taken back. `left_ms`: working time that is left."""

    document: str
    items: list[str]
    left_ms: int


class Resubmitted(Event):
    contract: str
    due_ms: int


class OfUnit(Event):
    unit: str


class Rejected(Event):
    unit: str
    reason: str
    document: str


class Overdue(Event):
    due_ms: int


class Booked(Event):
    """`version`: of the unit's page. `overdue`: the deadline had passed."""

    unit: str
    kind: str
    version: int
    overdue: bool


class Mortgaged(Event):
    right: str
    order: int
    mortgagee: str


class PreNoticed(Event):
    right: str


class UnitCancelled(Event):
    document: str


class CertIssued(Event):
    certificate: str
    case: str
    edition: int


class Corrected(Event):
    version: int
    document: str


class Imported(Event):
    document: str
    right: str


class MortgageSigned(Event):
    unit: str
    contract: str


class Agreed(Event):
    unit: str
    right: str


class Struck(Event):
    """An entry was struck off a unit's page."""

    right: str
    kind: str
    document: str


class Lapsed(Event):
    right: str
    kind: str


class Objection(Event):
    right: str
    until_ms: int


class Seized(Event):
    """`order`: among the entries of the unit. `waiting`: seizures before this one."""

    right: str
    order: int
    waiting: int
    until_ms: int
    document: str


class CalendarSet(Event):
    """Days of the year from 1: weekdays that are free, weekend days that are worked."""

    year: int
    free: list[int]
    worked: list[int]


class ParametersSet(Event):
    half_days: int
    objection_days: int
    use_blocks: int
    import_open: bool


class Nothing(Event):
    """What it is about says all."""


class Granted(Event):
    grantee: str
    purpose: str


class Used(Event):
    """`use`: key of the log entry. `uses`: how often the grant was used."""

    use: str
    uses: int


EVENTS: tuple[tuple[str, type[Event], str, str], ...] = (
    ("accepted", Accepted, "已受理", "A case was accepted"),
    ("agreed", Agreed, "抵押权人已同意", "A mortgagee agreed to a case"),
    ("attached", Attached, "已引用材料", "A reference was attached"),
    ("attested", Attested, "部门已核验", "A department gave its opinion"),
    ("booked", Booked, "已登簿", "A case was booked"),
    ("calendar_set", CalendarSet, "已设置工作日历", "Working days were set"),
    ("cancelled", Struck, "已注销预告或异议", "A notice or objection ended"),
    ("cert_issued", CertIssued, "已发证", "A certificate was issued"),
    ("corrected", Corrected, "已更正", "An entry was corrected"),
    ("granted", Granted, "已授权查询", "A look was granted"),
    ("holder_bound", Nothing, "已绑定权利人", "An account was bound to a holder"),
    ("imported", Imported, "已导入存量登记", "An older entry was taken over"),
    ("lapsed", Lapsed, "到期已注销", "What had expired was struck off"),
    ("mortgage_signed", MortgageSigned, "抵押权人已签名", "A bank signed a mortgage"),
    ("mortgaged", Mortgaged, "已抵押登记", "A mortgage was entered"),
    ("objection", Objection, "已异议登记", "An objection was entered"),
    ("overdue", Overdue, "已超期", "A case is past its deadline"),
    ("parameters_set", ParametersSet, "已设置参数", "Parameters were set"),
    ("pre_noticed", PreNoticed, "已预告登记", "A pre-notice was entered"),
    ("rejected", Rejected, "不予登记", "A case was rejected"),
    ("released", Struck, "抵押已注销", "A mortgage was released"),
    ("resubmitted", Resubmitted, "已补正", "A request was answered"),
    ("reviewed", OfUnit, "已复核", "A case was reviewed"),
    ("revoked", Nothing, "授权已撤销", "A grant was revoked"),
    ("seized", Seized, "已查封", "A unit was seized"),
    ("submitted", Submitted, "已提交", "A case was submitted"),
    ("supplement", Supplement, "已通知补正", "More was asked for"),
    ("unit_cancelled", UnitCancelled, "单元已注销", "A unit was cancelled"),
    ("unseized", Struck, "已解封", "A seizure was lifted"),
    ("used", Used, "授权已使用", "A grant was used"),
    ("withdrawn", OfUnit, "已撤回", "A case was withdrawn"),
)
