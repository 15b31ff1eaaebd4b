"""All disk I/O of a node. `recovery.open_storage` opens a home; every storage fault is a FatalError and ends the
process."""

from hnnode.storage.batch_log import BatchLog
from hnnode.storage.block_log import BlockLog
from hnnode.storage.consensus_log import ConsensusLog
from hnnode.storage.database import Database
from hnnode.storage.disk_reader import DiskReader
from hnnode.storage.files import disk_free_bytes
from hnnode.storage.home import Home, check_key_permissions
from hnnode.storage.recovery import REPAIR_COMMAND, Storage, open_storage, reset_home, segment_to_recover
from hnnode.storage.sign_state import SignState

__all__ = [
    "REPAIR_COMMAND",
    "BatchLog",
    "BlockLog",
    "ConsensusLog",
    "Database",
    "DiskReader",
    "Home",
    "SignState",
    "Storage",
    "check_key_permissions",
    "disk_free_bytes",
    "open_storage",
    "reset_home",
    "segment_to_recover",
]
