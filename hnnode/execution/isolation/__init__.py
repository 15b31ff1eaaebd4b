"""Plugins in processes of their own.

`application` is what the node holds; `process`, `exchange` and `frames` its side of the socket, `child`, `reading` and
`sandbox` the plugin's.
"""

from hnnode.execution.isolation.application import IsolatedApplication
from hnnode.execution.isolation.process import Spawner
from hnnode.execution.isolation.trouble import Troubles

__all__ = ["IsolatedApplication", "Spawner", "Troubles"]
