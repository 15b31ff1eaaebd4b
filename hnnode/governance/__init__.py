"""The life of plugins on a running chain: the store of their code, and the plugin set that a height has.

wheel → `PluginStore` ─┐
environment ───────────┴→ `PluginSources` → `PluginSets`: state after block h−1 → what runs at height h
"""

from hnnode.governance.finding import PluginSources
from hnnode.governance.plugin_sets import PluginSets
from hnnode.governance.running import Running, make_host
from hnnode.governance.skips import Skips
from hnnode.governance.store import PluginStore, StoredPlugin

__all__ = ["PluginSets", "PluginSources", "PluginStore", "Running", "Skips", "StoredPlugin", "make_host"]
