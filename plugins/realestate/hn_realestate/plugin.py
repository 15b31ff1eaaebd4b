"""Registration: which role may do what, and under which titles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hn_realestate import attest, book, cases, govern, models, queries, rights
from hn_realestate.events import EVENTS
from hn_realestate.flows import CIVIL, HOUSING, POLICE, TAX
from hn_realestate.privacy import PRIVACY
from hn_realestate.rules import RULES
from hn_realestate.state import ALARM, Parameters, page_keys, turn_keys, waiting_keys
from hnnode.plugin_api import Registry, Workload, hookimpl

APPLICANT, AGENT, REGISTRAR, REVIEWER = "applicant", "agent", "registrar", "reviewer"
BANK, COURT, GOVERNOR = "bank", "court", "governor"
SUBMITTERS = (APPLICANT, AGENT)
OFFICERS = (REGISTRAR, REVIEWER)
DEPARTMENTS = (POLICE, TAX, HOUSING, CIVIL)

PAGE, WAITING, TURN = (page_keys,), (waiting_keys,), (turn_keys,)
"""What follows from a case that was read: its unit's page, its unit's queue, both."""


class RealestatePlugin:
    """The object behind the entry point."""

    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.describe("不动产登记", "Real-estate registration")
        _cases(registry)
        _register(registry)
        _rights(registry)
        _govern(registry)
        _queries(registry)
        registry.privacy(PRIVACY)
        registry.due(ALARM, cases.tell_overdue, title_zh="超期自动通报", title_en="Overdue cases become known")
        registry.parameters("set_parameters", Parameters())
        for name, model, zh, en in EVENTS:
            registry.event(f"realestate.{name}", model, title_zh=zh, title_en=en)
        for name, zh, en in RULES:
            registry.rule(f"realestate.{name}", zh, en)

    @hookimpl
    def hn_bench_workload(self, seed: int, flavour: str) -> Workload | None:
        from hn_realestate.workload import make_workload

        return make_workload(seed, flavour)


def _cases(r: Registry) -> None:
    _act(r, "submit", models.Submit, cases.submit, SUBMITTERS, cases.submit_keys, "提交申请", "Submit a case")
    _act(
        r,
        "attach_ref",
        models.AttachRef,
        cases.attach_ref,
        SUBMITTERS,
        cases.attach_keys,
        "引用材料",
        "Attach a reference",
    )
    r.action(
        "dept_attest",
        models.DeptAttest,
        attest.dept_attest,
        roles=DEPARTMENTS,
        keys=attest.attest_keys,
        execute_batch=attest.attest_many,
        title_zh="部门核验",
        title_en="Attest an item",
    )
    _act(r, "accept", models.Accept, cases.accept, (REGISTRAR,), cases.accept_keys, "受理", "Accept a case", TURN)
    _act(r, "supplement", models.Supplement, cases.supplement, OFFICERS, cases.clocked_keys, "通知补正", "Ask for more")
    _act(
        r, "resubmit", models.Resubmit, cases.resubmit, SUBMITTERS, cases.clocked_keys, "补正后提交", "Answer a request"
    )
    _act(r, "review", models.Review, cases.review, (REVIEWER,), cases.review_keys, "复核", "Review a case")
    _act(
        r,
        "withdraw",
        models.Withdraw,
        cases.withdraw,
        SUBMITTERS,
        cases.clocked_keys,
        "撤回",
        "Withdraw a case",
        WAITING,
    )
    _act(r, "reject", models.Reject, cases.reject, OFFICERS, cases.clocked_keys, "不予登记", "Reject a case", WAITING)
    _act(
        r, "report_overdue", models.ReportOverdue, cases.report_overdue, (), None, "通报超期", "Report an overdue case"
    )


def _register(r: Registry) -> None:
    registrar, reviewer = (REGISTRAR,), (REVIEWER,)
    _act(r, "book", models.Book, book.book, registrar, book.book_keys, "登簿", "Book a case", TURN)
    _act(
        r,
        "issue_cert",
        models.IssueCert,
        book.issue_cert,
        registrar,
        book.cert_keys,
        "发证",
        "Issue a certificate",
        PAGE,
    )
    _act(r, "correct", models.Correct, book.correct, reviewer, rights.unit_keys, "更正登记", "Correct an entry")
    _act(
        r, "import_titles", models.ImportTitles, book.import_titles, registrar, book.import_keys, "导入存量登记",
        "Import entries",
    )  # fmt: skip


def _rights(r: Registry) -> None:
    bank, court = (BANK,), (COURT,)
    _act(r, "mortgage", models.Mortgage, rights.mortgage, bank, cases.case_keys, "抵押权人签名", "Sign a mortgage")
    _act(r, "agree", models.Agree, rights.agree, bank, cases.case_keys, "抵押权人同意", "Agree to a case")
    _act(r, "release", models.Release, rights.release, bank, rights.unit_keys, "注销抵押", "Release a mortgage")
    _act(
        r,
        "objection",
        models.Objection,
        rights.objection,
        (REGISTRAR,),
        rights.unit_keys,
        "异议登记",
        "Enter an objection",
    )
    _act(
        r,
        "cancel",
        models.Cancel,
        rights.cancel,
        (REVIEWER,),
        rights.unit_keys,
        "注销预告或异议",
        "End a notice or objection",
    )
    _act(r, "seize", models.Seize, rights.seize, court, rights.unit_keys, "查封", "Seize a unit")
    _act(r, "unseize", models.Unseize, rights.unseize, court, rights.unit_keys, "解封", "Lift a seizure")
    _act(r, "lapse", models.Lapse, rights.lapse, (), rights.unit_keys, "到期注销", "Strike off what has expired")


def _govern(r: Registry) -> None:
    governor = (GOVERNOR,)
    _act(r, "set_calendar", models.SetCalendar, govern.set_calendar, governor, None, "设置工作日历", "Set working days")
    _act(r, "set_parameters", models.SetParameters, govern.set_parameters, governor, None, "设置参数", "Set parameters")
    _act(r, "bind_holder", models.BindHolder, govern.bind_holder, (POLICE,), None, "绑定权利人", "Bind a holder")
    _act(r, "grant", models.Grant, govern.grant, (), govern.grant_keys, "授权查询", "Grant a look")
    _act(r, "revoke", models.Revoke, govern.revoke, (), None, "撤销授权", "Revoke a grant")
    _act(r, "use_grant", models.UseGrant, govern.use_grant, (), None, "使用授权", "Use a grant")


def _queries(r: Registry) -> None:
    q = queries
    r.query("case", q.CaseQuery, q.case, title_zh="查询业务", title_en="One case")
    r.query("unit", q.UnitQuery, q.unit, title_zh="查询不动产单元", title_en="One unit")
    r.query("unit_at", q.AtQuery, q.unit_at, title_zh="历史时点状态", title_en="A unit at a height or time")
    r.query("history", q.HistoryQuery, q.history, title_zh="登记沿革", title_en="A unit's history")
    r.query("restricted", q.UnitQuery, q.restricted, title_zh="查封抵押查询", title_en="Seized or mortgaged, yes or no")
    r.query("is_holder", q.HolderQuery, q.is_holder, title_zh="核对权利人", title_en="Does a holder hold a unit")
    r.query("holder_units", q.HolderUnitsQuery, q.holder_units, title_zh="权利人名下单元", title_en="A holder's units")
    r.query("certificate", q.CertificateQuery, q.certificate, title_zh="核验证书", title_en="Is a certificate good")
    r.query("queue", q.UnitQuery, q.queue, title_zh="登簿次序", title_en="Cases that wait for a unit")
    r.query("material", q.MaterialQuery, q.material, title_zh="材料所用业务", title_en="Cases that use a document")
    r.query("due", q.DueQuery, q.due, title_zh="到期与超期业务", title_en="Cases by deadline")
    r.query("calendar", q.YearQuery, q.calendar, title_zh="工作日历", title_en="Working days of a year")
    r.query("grant", q.GrantQuery, q.grant, title_zh="授权状态", title_en="One grant")
    r.query("parameters", q.ParametersQuery, q.parameters, title_zh="参数", title_en="Parameters")


def _act(
    r: Registry,
    name: str,
    model: type,
    handler: Callable[[Any, Any], None],
    roles: tuple[str, ...],
    keys: Callable[[Any, Any], Any] | None,
    zh: str,
    en: str,
    then_keys: Sequence[Callable[[Any, Any, Any], Any]] = (),
) -> None:
    r.action(name, model, handler, roles=roles, keys=keys, then_keys=then_keys, title_zh=zh, title_en=en)
