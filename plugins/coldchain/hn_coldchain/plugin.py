"""Registration: which role may do what, and under which titles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hn_coldchain import holds, intake, models, moves, privacy, queries, temperatures, trace, transform
from hn_coldchain.events import EVENTS
from hn_coldchain.migrations import MIGRATIONS
from hn_coldchain.rules import RULES
from hn_coldchain.state import DUE, HOLDS, Parameters, offer_keys, parent_keys
from hnnode.plugin_api import Migration, QueryRefused, Reader, Registry, WorkItem, Workload, hookimpl

ThenKeys = Callable[[Any, Any, Reader], Sequence[bytes]]
IMPORTER, FIRST_STATION, WAREHOUSE = "importer", "first_station", "warehouse"
CARRIER, RETAILER, REGULATOR = "carrier", "retailer", "regulator"
HOLDERS = (IMPORTER, WAREHOUSE, RETAILER)
"""Roles that may have goods in stock after the release."""
STAGES = (IMPORTER, FIRST_STATION, WAREHOUSE, RETAILER, REGULATOR)


class ColdchainPlugin:
    """The object behind the entry point."""

    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.describe("郑冷链", "Cold-chain food traceability", state_version=3)
        registry.privacy(privacy.TABLE, privacy.UNGUARDED)
        _intake(registry)
        _moves(registry)
        _alarms(registry)
        _oversight(registry)
        _queries(registry)
        registry.due(DUE, moves.tell_overdue, title_zh="交接逾期自动登记", title_en="Overdue hand-overs become known")
        registry.parameters("set_parameters", Parameters())
        for name, model, zh, en in EVENTS:
            registry.event(f"coldchain.{name}", model, title_zh=zh, title_en=en)
        for name, zh, en in RULES:
            registry.rule(f"coldchain.{name}", zh, en)

    @hookimpl
    def hn_migrations(self) -> list[Migration]:
        return MIGRATIONS

    @hookimpl
    def hn_bench_workload(self, seed: int, flavour: str) -> Workload | None:
        from hn_coldchain.workload import make_workload

        return make_workload(seed, flavour)

    @hookimpl
    def hn_import(self, format: str, document: bytes, accounts: Mapping[str, str]) -> list[WorkItem] | None:
        if format != "epcis":
            return None
        from hn_coldchain.epcis import import_document
        from hn_coldchain.epcis_reader import EpcisError
        from hnnode.plugin_api.hashes import block_root

        try:
            made = import_document(document, accounts, block_root)
        except EpcisError as e:
            raise QueryRefused("PARAMETER_INVALID", str(e)) from e
        return [WorkItem(call.role, call.action, call.payload) for call in made.calls]


def _one(
    registry: Registry,
    name: str,
    model: type,
    handler: object,
    roles: tuple[str, ...],
    zh: str,
    en: str,
    then_keys: tuple[ThenKeys, ...] = (),
) -> None:
    """An action whose handler reads its batch first."""
    registry.action(
        name,
        model,
        handler,  # type: ignore[arg-type]
        roles=roles,
        keys=_batch_keys,
        then_keys=then_keys,
        title_zh=zh,
        title_en=en,
    )


def _batch_keys(_: object, payload: models.Arrive) -> tuple[bytes]:
    return (b"b" + payload.batch.encode(),)


def _parent_keys(_: object, payload: models.Sell, rows: Reader) -> list[bytes]:
    return parent_keys(payload.batch, rows)


def _offer_keys(_: object, payload: models.TakeBack | models.Dispose, rows: Reader) -> list[bytes]:
    return offer_keys(payload.batch, rows)


def _hold_keys(_: object, payload: models.Propagate) -> tuple[bytes]:
    return (HOLDS.key(bytes.fromhex(payload.hold)),)


PARENTS: tuple[ThenKeys, ...] = (_parent_keys,)
"""Of actions that refuse goods whose parents are held."""
OFFER: tuple[ThenKeys, ...] = (_offer_keys,)


def _intake(r: Registry) -> None:
    r.action(
        "pre_declare",
        models.PreDeclare,
        intake.pre_declare,
        roles=(IMPORTER,),
        keys=intake.declare_keys,
        title_zh="提前报备",
        title_en="Pre-declare a shipment",
    )
    station = (FIRST_STATION,)
    _one(r, "arrive", models.Arrive, intake.arrive, station, "到达首站仓", "Arrive at the first station")
    _one(r, "test", models.RecordTest, intake.record_test, station, "登记检测结果", "Record a test result")
    _one(r, "disinfect", models.Disinfect, intake.disinfect, station, "登记消毒", "Record a disinfection")
    r.action(
        "assign_code",
        models.AssignCode,
        intake.assign_code,
        roles=station,
        keys=intake.code_keys,
        title_zh="首站赋码",
        title_en="Assign the trace code",
    )
    _one(r, "release", models.Release, intake.release, station, "出仓放行", "Release")


def _moves(r: Registry) -> None:
    _one(r, "stock_in", models.StockIn, moves.stock_in, HOLDERS, "入库", "Stock in")
    r.action(
        "ship_out",
        models.ShipOut,
        moves.ship_out,
        roles=HOLDERS,
        keys=moves.ship_keys,
        then_keys=PARENTS,
        title_zh="出库交接",
        title_en="Ship out to a receiver",
    )
    r.action(
        "confirm_in",
        models.ConfirmIn,
        moves.confirm_in,
        roles=HOLDERS,
        keys=moves.confirm_keys,
        then_keys=PARENTS,
        title_zh="确认收货",
        title_en="Confirm a hand-over",
    )
    _one(
        r,
        "take_back",
        models.TakeBack,
        moves.take_back,
        HOLDERS,
        "收回过期交接",
        "Take an expired hand-over back",
        OFFER,
    )
    r.action(
        "split",
        models.Split,
        transform.split,
        roles=HOLDERS,
        keys=transform.split_keys,
        then_keys=PARENTS,
        title_zh="拆分批次",
        title_en="Split a batch",
    )
    r.action(
        "merge",
        models.Merge,
        transform.merge,
        roles=HOLDERS,
        keys=transform.merge_keys,
        then_keys=(transform.input_keys,),
        title_zh="合并批次",
        title_en="Merge batches",
    )
    r.action(
        "process",
        models.Process,
        transform.process,
        roles=HOLDERS,
        keys=transform.process_keys,
        then_keys=(transform.input_keys,),
        title_zh="加工",
        title_en="Process into another product",
    )
    _one(
        r,
        "report_overdue",
        models.ReportOverdue,
        moves.report_overdue,
        (),
        "登记逾期交接",
        "Report an overdue hand-over",
        OFFER,
    )
    _one(r, "sell", models.Sell, moves.sell, (RETAILER, WAREHOUSE), "销售", "Sell", PARENTS)
    _one(r, "dispose", models.Dispose, moves.dispose, STAGES, "销毁", "Dispose", OFFER)
    r.action(
        "commit_temperatures",
        models.CommitTemperatures,
        temperatures.commit_temperatures,
        roles=(*STAGES[:-1], CARRIER),
        keys=temperatures.segment_keys,
        execute_batch=temperatures.commit_many,
        title_zh="提交温度根",
        title_en="Commit temperature readings",
    )


def _alarms(r: Registry) -> None:
    r.action(
        "alarm",
        models.Alarm,
        temperatures.alarm,
        roles=(*STAGES, CARRIER),
        keys=temperatures.alarm_keys,
        title_zh="温度报警",
        title_en="Show a reading outside the band",
    )


def _oversight(r: Registry) -> None:
    regulator = (REGULATOR,)
    _one(r, "freeze", models.Freeze, holds.freeze, regulator, "冻结", "Freeze")
    _one(r, "recall", models.Recall, holds.recall, (REGULATOR, IMPORTER), "召回", "Recall")
    r.action(
        "unfreeze",
        models.Unfreeze,
        holds.unfreeze,
        roles=regulator,
        keys=_hold_keys,  # type: ignore[arg-type]
        title_zh="解除冻结",
        title_en="Lift a freeze",
    )
    r.action(
        "propagate",
        models.Propagate,
        holds.propagate,
        keys=_hold_keys,
        title_zh="继续传播冻结",
        title_en="Continue a hold",
    )
    r.action(
        "set_product",
        models.SetProduct,
        intake.set_product,
        roles=regulator,
        title_zh="设置商品参数",
        title_en="Set a product's duties and band",
    )
    r.action(
        "set_parameters",
        models.SetParameters,
        intake.set_parameters,
        roles=regulator,
        title_zh="设置参数",
        title_en="Set parameters",
    )


def _queries(r: Registry) -> None:
    r.query("batch", queries.BatchQuery, queries.batch, title_zh="查询批次", title_en="One batch")
    r.query("scan", queries.ScanQuery, queries.scan, title_zh="扫码查询", title_en="Scan a trace code")
    r.query("trace_back", trace.TraceQuery, trace.trace_back, title_zh="向上追溯", title_en="Trace back")
    r.query("trace_forward", trace.TraceQuery, trace.trace_forward, title_zh="向下追踪", title_en="Trace forward")
    r.query(
        "stock_by_holder",
        queries.HolderQuery,
        queries.stock_by_holder,
        title_zh="持有方库存",
        title_en="Held by an account",
    )
    r.query(
        "stock_by_city", queries.CityQuery, queries.stock_by_city, title_zh="城市库存", title_en="In stock in a city"
    )
    r.query("offers", queries.OffersQuery, queries.offers, title_zh="待确认交接", title_en="Pending hand-overs")
    r.query("overdue", queries.OverdueQuery, queries.overdue, title_zh="逾期交接", title_en="Overdue hand-overs")
    r.query("holders", queries.HoldersQuery, queries.holders, title_zh="追物到人", title_en="Who held it")
    r.query(
        "temperatures",
        queries.SegmentsQuery,
        queries.temperatures,
        title_zh="温度记录",
        title_en="Committed temperatures",
    )
    r.query("hold", queries.HoldQuery, queries.hold, title_zh="查询冻结", title_en="One hold")
    r.query(
        "holds_pending",
        queries.PendingQuery,
        queries.holds_pending,
        title_zh="未传播完的冻结",
        title_en="Unfinished holds",
    )
    r.query("parameters", queries.ParametersQuery, queries.parameters, title_zh="参数", title_en="Parameters")
