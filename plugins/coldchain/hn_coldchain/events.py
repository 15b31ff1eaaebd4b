"""Events: what each tells beside the batch, product or nothing that it is about. Weights are grams, temperatures tenths of a degree."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """Base of what every event tells."""


class Declared(Event):
    gtin: str
    country: str
    grams: int


class Arrived(Event):
    """`declared_grams`: what was announced, where it differs from what came."""

    city: str
    grams: int
    declared_grams: int


class Tested(Event):
    """`report`: hash of the test report."""

    passed: bool
    report: str


class Disinfected(Event):
    """`certificate`: hash of it."""

    certificate: str


class Coded(Event):
    code: str


class Released(Event):
    """`certificate`: hash of it. `consignee`: account that may take the goods."""

    certificate: str
    consignee: str


class ProductSet(Event):
    """`duties`: 1 = test, 2 = disinfect. `min`, `max`: the band of temperatures."""

    duties: int
    min: int
    max: int


class ParametersSet(Event):
    offer_minutes: int
    excursion_minutes: int


class Stocked(Event):
    city: str
    grams: int
    holder: str


class Shipped(Event, rename={"sender": "from"}):
    """`expires_ms`: until when the receiver may confirm."""

    sender: str
    to: str
    grams: int
    expires_ms: int


class Confirmed(Event, rename={"sender": "from"}):
    sender: str
    to: str
    city: str
    grams: int


class TakenBack(Event):
    city: str


class Overdue(Event, rename={"sender": "from"}):
    sender: str
    to: str
    expires_ms: int


class Sold(Event):
    grams: int
    left: int
    city: str


class Disposed(Event):
    grams: int
    certificate: str


class Split(Event):
    """`grams`: of each output."""

    outputs: list[str]
    grams: list[int]
    loss_grams: int


class Merged(Event):
    inputs: list[str]
    grams: int
    loss_grams: int


class Processed(Event):
    """`grams`: of all outputs together. The event is about the first."""

    inputs: list[str]
    outputs: list[str]
    gtin: str
    grams: int


class Temperatures(Event):
    """`root`: of the readings, of which there are `count`."""

    root: str
    count: int
    min: int
    max: int


class Excursion(Event):
    """Readings outside the batch's band."""

    root: str
    count: int
    min: int
    max: int
    band_min: int
    band_max: int


class Alarm(Event):
    """One reading outside the band, in hundredths of a degree, proved under its committed root."""

    from_ms: int
    to_ms: int
    low: int
    high: int
    root: str


class Held(Event):
    """`reached`: batches held so far; `left`: batches that the walk still has to visit."""

    hold: str
    reason: str
    reached: int
    left: int


class HoldChanged(Event):
    hold: str
    reached: int
    left: int


EVENTS: tuple[tuple[str, type[Event], str, str], ...] = (
    ("alarm", Alarm, "读数超温报警", "A reading outside the band was proved"),
    ("arrived", Arrived, "到达首站仓", "A shipment reached the first station"),
    ("coded", Coded, "已赋码", "A trace code was assigned"),
    ("confirmed", Confirmed, "已确认收货", "A hand-over was confirmed"),
    ("declared", Declared, "已报备", "A shipment was announced"),
    ("disinfected", Disinfected, "已消毒", "A disinfection was recorded"),
    ("disposed", Disposed, "已处置", "Goods were destroyed"),
    ("excursion", Excursion, "温度超限", "Temperatures left the band"),
    ("frozen", Held, "已冻结", "A batch and what came of it was frozen"),
    ("merged", Merged, "已合并", "Batches were merged"),
    ("overdue", Overdue, "交接超时", "A hand-over was not confirmed in time"),
    ("parameters_set", ParametersSet, "已设置参数", "Parameters were set"),
    ("processed", Processed, "已加工", "Batches were processed"),
    ("product_set", ProductSet, "已设置商品", "A product's rules were set"),
    ("propagated", HoldChanged, "冻结继续传播", "A hold went on spreading"),
    ("recalled", Held, "已召回", "A batch and what came of it was recalled"),
    ("released", Released, "已出仓", "A batch was released"),
    ("shipped", Shipped, "已发货", "A batch was offered to a receiver"),
    ("sold", Sold, "已销售", "Goods were sold to consumers"),
    ("split", Split, "已拆分", "A batch was split"),
    ("stocked", Stocked, "已入库", "A batch went into stock"),
    ("taken_back", TakenBack, "已收回", "A sender took goods back"),
    ("temperatures", Temperatures, "已提交温度", "A root of readings was committed"),
    ("tested", Tested, "已检测", "A test result was recorded"),
    ("unfrozen", HoldChanged, "已解除冻结", "A freeze was lifted"),
)
