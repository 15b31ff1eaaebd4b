"""Applications of the node: the plugin host, the frozen table of actions, the executor of one block's transactions,
and queries.
"""

from hnnode.execution.applications import NodeApplications
from hnnode.execution.executor import Executor
from hnnode.execution.host import Host
from hnnode.execution.table import Application, application_prefix

__all__ = ["Application", "Executor", "Host", "NodeApplications", "application_prefix"]
