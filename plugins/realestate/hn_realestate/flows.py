"""What departments are asked in each kind of case, and the clock it is handled by."""

from __future__ import annotations

from hnnode.plugin_api.std.calendar import CalendarRules, WorkCalendar
from hnnode.plugin_api.std.workflow import Flow, Item, Workflow, WorkflowRules

POLICE, TAX, HOUSING, CIVIL = "police", "tax", "housing", "civil"
"""公安, 税务, 住建, 民政."""

FLOW = Flow(
    "realestate",
    (
        Item("identity", POLICE),
        Item("household", POLICE),
        Item("marriage", CIVIL),
        Item("contract", HOUSING, exact=True),
        Item("eligibility", HOUSING),
        Item("funds", HOUSING),
        Item("deed_tax", TAX, after=("contract",), exact=True),
        Item("invoice", TAX, exact=True),
        Item("completion", HOUSING),
    ),
)
"""One list for all kinds, so that an item has one place and its opinion one key: new items go to the end."""

ASKED: dict[str, tuple[str, ...]] = {
    "first": ("identity", "household", "completion"),
    "transfer": ("identity", "household", "marriage", "contract", "eligibility", "funds", "deed_tax", "invoice"),
    "mortgage": ("identity", "marriage"),
    "pre_notice": ("identity", "contract"),
    "cancel": ("identity",),
}
"""Items asked for in each kind of case."""

EXACT = tuple(item.name for item in FLOW.items if item.exact)
"""Items whose opinion covers the contract: a new contract voids them."""

CALENDAR = WorkCalendar(
    b"n",
    CalendarRules(day="realestate.calendar_day", past="realestate.calendar_past", span="realestate.calendar_span"),
)
WORKFLOW = Workflow(
    b"w",
    (FLOW,),
    CALENDAR,
    WorkflowRules(
        exists="realestate.case_exists",
        unknown="realestate.case_unknown",
        closed="realestate.case_closed",
        running="realestate.wrong_status",
        standing="realestate.clock_stands",
        item="realestate.item_not_asked",
        department="realestate.not_department",
        opined="realestate.item_attested",
        early="realestate.item_early",
        about="realestate.contract_not_covered",
        not_due="realestate.not_overdue",
    ),
)
