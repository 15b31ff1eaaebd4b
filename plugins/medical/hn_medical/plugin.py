"""Registration: which role may do what, and under which titles."""

from __future__ import annotations

from collections.abc import Mapping

from hn_medical import (
    access,
    dispensing,
    packing,
    report_models,
    report_queries,
    reports,
    shipments,
    supply,
    trace_models,
    trace_queries,
)
from hn_medical.events import EVENTS
from hn_medical.migrations import MIGRATIONS
from hn_medical.paging import NoQuestion, PageQuestion
from hn_medical.privacy import PRIVACY, UNGUARDED
from hn_medical.report_state import ReviewParameters
from hn_medical.rules import RULES
from hn_medical.trace_state import DUE, TraceParameters
from hnnode.plugin_api import Migration, QueryRefused, Registry, WorkItem, Workload, hookimpl

MAH, WHOLESALER, HOSPITAL, PHARMACY = "mah", "wholesaler", "hospital", "pharmacy"
DRUG_REGULATOR, INSURER = "drug_regulator", "insurer"
DOCTOR, PATIENT, HEALTH_COMMISSION = "doctor", "patient", "health_commission"
TRADERS = (MAH, WHOLESALER, HOSPITAL, PHARMACY)
"""Roles that may have goods in hand."""
READERS = (HOSPITAL, DOCTOR)


class MedicalPlugin:
    """The object behind the entry point."""

    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.describe("智慧医疗", "Drug trace and recognition of reports", state_version=2)
        _supply(registry)
        _goods(registry)
        _reports(registry)
        _access(registry)
        _trace_queries(registry)
        _report_queries(registry)
        registry.privacy(PRIVACY, UNGUARDED)
        title_zh, title_en = "收货逾期自动登记", "Late shipments become known"
        registry.due(DUE, shipments.tell_overdue, title_zh=title_zh, title_en=title_en)
        registry.parameters("set_trace_parameters", TraceParameters())
        registry.parameters("set_review_parameters", ReviewParameters())
        for name, model, zh, en in EVENTS:
            registry.event(f"medical.{name}", model, title_zh=zh, title_en=en)
        for name, zh, en in RULES:
            registry.rule(f"medical.{name}", zh, en)

    @hookimpl
    def hn_migrations(self) -> list[Migration]:
        return MIGRATIONS

    @hookimpl
    def hn_bench_workload(self, seed: int, flavour: str) -> Workload | None:
        from hn_medical.workload import make_workload

        return make_workload(seed, flavour)

    @hookimpl
    def hn_import(self, format: str, document: bytes, accounts: Mapping[str, str]) -> list[WorkItem] | None:
        from hn_medical.fhir import FhirError, read_bundle
        from hn_medical.relation import RelationError, activations

        try:
            if format == "relation":
                return [WorkItem(MAH, "activate", payload) for payload in activations(document)]
            if format == "fhir":
                return [WorkItem(HOSPITAL, action, payload) for action, payload in read_bundle(document)]
        except (RelationError, FhirError) as e:
            raise QueryRefused("PARAMETER_INVALID", str(e)) from e
        return None


def _act(
    r: Registry,
    name: str,
    model: type,
    handler: object,
    roles: tuple[str, ...],
    zh: str,
    en: str,
    keys: object = None,
    batch: object = None,
    then_keys: tuple[object, ...] = (),
) -> None:
    r.action(
        name,
        model,
        handler,  # type: ignore[arg-type]
        roles=roles,
        keys=keys,  # type: ignore[arg-type]
        then_keys=then_keys,  # type: ignore[arg-type]
        execute_batch=batch,  # type: ignore[arg-type]
        title_zh=zh,
        title_en=en,
    )


def _supply(r: Registry) -> None:
    m, s, by = trace_models, supply, (DRUG_REGULATOR,)
    _act(r, "register_product", m.RegisterProduct, s.register_product, by, "登记药品", "Register a drug")
    _act(r, "activate", m.Activate, s.activate, (MAH,), "激活追溯码", "Activate codes by their root", s.activate_keys)
    _act(r, "recall", m.Recall, s.recall, (DRUG_REGULATOR, MAH), "召回批次", "Recall a batch")
    _act(r, "set_trace_parameters", m.SetTraceParameters, s.set_trace_parameters, by, "设置追溯参数", "Set parameters")


def _goods(r: Registry) -> None:
    m, p, s, d = trace_models, packing, shipments, dispensing
    regulator, shops = (DRUG_REGULATOR,), (HOSPITAL, PHARMACY)
    inside, sent = (p.container_keys,), (s.sent_keys,)
    _act(
        r,
        "aggregate",
        m.Aggregate,
        p.aggregate,
        TRADERS,
        "装箱",
        "Pack into a container",
        p.aggregate_keys,
        then_keys=(p.packed_keys,),
    )
    _act(r, "ship", m.Ship, s.ship, TRADERS, "发货", "Ship to a receiver", s.ship_keys, then_keys=inside)
    _act(
        r,
        "receive",
        m.Receive,
        s.receive,
        TRADERS,
        "收货确认",
        "Receive a shipment",
        s.receive_keys,
        then_keys=(*sent, s.sent_batch_keys),
    )
    _act(
        r,
        "take_back",
        m.TakeBack,
        s.take_back,
        TRADERS,
        "收回逾期发货",
        "Take a shipment back",
        s.receive_keys,
        then_keys=sent,
    )
    _act(
        r, "return_packs", m.ReturnPacks, s.return_packs, TRADERS, "退货", "Return packs", s.ship_keys, then_keys=inside
    )
    _act(
        r,
        "dispense",
        m.Dispense,
        d.dispense,
        shops,
        "发药",
        "Dispense a pack",
        d.dispense_keys,
        then_keys=(d.dispensed_keys,),
    )
    _act(r, "settle", m.Settle, d.settle, (INSURER,), "医保结算核验", "Check for settlement", d.settle_keys)
    _act(
        r,
        "destroy",
        m.Destroy,
        p.destroy,
        (*TRADERS, DRUG_REGULATOR),
        "销毁",
        "Destroy packs",
        p.destroy_keys,
        then_keys=inside,
    )
    _act(r, "freeze", m.Freeze, p.freeze, regulator, "冻结", "Freeze")
    _act(r, "unfreeze", m.Unfreeze, p.unfreeze, regulator, "解除冻结", "Lift a freeze")
    _act(r, "propagate", m.Propagate, p.propagate, (), "继续传播冻结", "Continue a freeze")


def _reports(r: Registry) -> None:
    m, s, by, hospital = report_models, reports, (HEALTH_COMMISSION,), (HOSPITAL,)
    _act(r, "set_item", m.SetItem, s.set_item, by, "设置互认项目", "Set an item of the catalogue")
    _act(r, "set_quality", m.SetQuality, s.set_quality, by, "设置质控有效期", "Set validity of quality control")
    _act(
        r,
        "set_review_parameters",
        m.SetReviewParameters,
        s.set_review_parameters,
        by,
        "设置复核参数",
        "Set parameters of reviews",
    )
    _act(r, "bind_patient", m.BindPatient, s.bind_patient, hospital, "绑定患者标识", "Bind a patient", s.bind_keys)
    _act(
        r,
        "register_index",
        m.RegisterIndex,
        s.register_index,
        hospital,
        "登记报告索引",
        "Index a report",
        s.index_keys,
        s.index_many,
    )
    _act(r, "amend", m.Amend, s.amend, hospital, "更正报告", "Amend a report")
    _act(r, "withdraw", m.Withdraw, s.withdraw, hospital, "撤回报告", "Withdraw a report")


def _access(r: Registry) -> None:
    m, a = report_models, access
    _act(r, "grant", m.GrantAccess, a.grant, (PATIENT,), "授权", "Grant access", a.grant_keys)
    _act(r, "revoke", m.RevokeAccess, a.revoke, (PATIENT,), "撤销授权", "Revoke a grant", a.revoke_keys)
    _act(r, "access", m.Access, a.access, READERS, "调阅报告", "Access a report", a.access_keys)
    _act(r, "emergency_access", m.EmergencyAccess, a.emergency_access, READERS, "紧急调阅", "Access in an emergency")
    _act(
        r,
        "review_emergency",
        m.ReviewEmergency,
        a.review_emergency,
        (HEALTH_COMMISSION,),
        "复核紧急调阅",
        "Review an emergency access",
    )
    _act(
        r,
        "recognise",
        m.Recognise,
        a.recognise,
        READERS,
        "结果互认",
        "Recognise a result",
        a.decide_keys,
        then_keys=(a.recognise_keys,),
    )
    _act(
        r,
        "decline",
        m.Decline,
        a.decline,
        READERS,
        "不予互认",
        "Decline a result",
        a.decide_keys,
        then_keys=(a.decline_keys,),
    )


def _trace_queries(r: Registry) -> None:
    q = trace_queries
    r.query("code", q.CodeQuestion, q.code, title_zh="查询追溯码", title_en="One pack")
    r.query("scan", q.CodeQuestion, q.scan, title_zh="扫码查询", title_en="Scan a code")
    r.query("batch", q.BatchQuestion, q.batch, title_zh="查询批次", title_en="One batch")
    r.query("activations", q.ActivationsQuestion, q.activations, title_zh="批次激活记录", title_en="Roots of a batch")
    r.query("recall_reach", q.ReachQuestion, q.recall_reach, title_zh="召回范围", title_en="Reach of a recall")
    r.query("trace_back", q.WalkQuestion, q.trace_back, title_zh="向上追溯", title_en="Trace back")
    r.query("trace_forward", q.WalkQuestion, q.trace_forward, title_zh="向下追踪", title_en="Trace forward")
    r.query("product", q.ProductQuestion, q.product, title_zh="查询药品", title_en="One drug")
    r.query("shipment", q.ShipmentQuestion, q.shipment, title_zh="查询运单", title_en="One shipment")
    r.query(
        "shipments_waiting",
        q.WaitingQuestion,
        q.shipments_waiting,
        title_zh="待收货",
        title_en="Shipments to be received",
    )
    r.query("alarms", q.AlarmsQuestion, q.alarms, title_zh="重复扫码报警", title_en="Alarms")
    r.query("hold", q.HoldQuestion, q.hold, title_zh="查询冻结", title_en="One freeze")
    r.query("holds_waiting", PageQuestion, q.holds_waiting, title_zh="未传播完的冻结", title_en="Unfinished freezes")
    r.query("trace_parameters", NoQuestion, q.trace_parameters, title_zh="追溯参数", title_en="Parameters")


def _report_queries(r: Registry) -> None:
    q = report_queries
    r.query("report", q.ReportQuestion, q.report, title_zh="查询报告索引", title_en="One report")
    r.query("patient_index", q.PatientQuestion, q.patient_index, title_zh="患者报告索引", title_en="A patient's index")
    r.query("footprint", q.PatientQuestion, q.footprint, title_zh="调阅足迹", title_en="Who looked")
    r.query("grant", q.GrantQuestion, q.grant, title_zh="查询授权", title_en="One grant")
    r.query("decisions", q.DecisionsQuestion, q.decisions, title_zh="互认决定", title_en="Decisions on a report")
    r.query("recognition_rate", q.ItemPageQuestion, q.recognition_rate, title_zh="互认率", title_en="Recognition rate")
    r.query(
        "decline_reasons", q.ItemPageQuestion, q.decline_reasons, title_zh="不予互认原因", title_en="Reasons declined"
    )
    r.query("item", q.ItemQuestion, q.item, title_zh="查询互认项目", title_en="One item")
    r.query("items", PageQuestion, q.items, title_zh="互认目录", title_en="The catalogue")
    r.query("quality", q.QualityQuestion, q.quality, title_zh="质控有效期", title_en="Validity of quality control")
    r.query("emergencies", q.OrganisationQuestion, q.emergencies, title_zh="待复核紧急调阅", title_en="Open reviews")
    r.query("review_parameters", NoQuestion, q.review_parameters, title_zh="复核参数", title_en="Review parameters")
