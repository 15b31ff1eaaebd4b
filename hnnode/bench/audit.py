"""What a benchmark left behind: the application's invariants, checked by a scan of one node's state."""

from __future__ import annotations

from hnnode.bench.localnet import LocalNet
from hnnode.bench.plan import Plan
from hnnode.execution import application_prefix
from hnnode.plugin_api.context import QueryView
from hnnode.storage import Home, open_storage

ROWS_MAX = 1_000_000_000
NAMED_MAX = 20


def violations(net: LocalNet, plan: Plan) -> dict[str, object]:
    """`violations`: how many invariants the state breaks, `violations_first` some of them in words. Stops the network:
    the state is that which the first node leaves. Empty for native applications, whose rules the core keeps.

    Cost: some seconds for each hundred thousand records.
    """
    if plan.application == "evidence":
        return {}
    net.stop()
    node = net.nodes[0]
    storage = open_storage(Home(node.home), node.config.storage)
    try:
        view = QueryView(storage.database.state(), application_prefix(plan.application), ROWS_MAX)
        found = plan.workload(plan.seed).violations(view)
    finally:
        storage.close()
    return {"violations": len(found), "violations_first": found[:NAMED_MAX]}
