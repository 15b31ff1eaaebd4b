"""Where rooms meet: the Protocols and records that cross from one room to another. `node/build.py` wires them.

Flow: gateway and network → Mempool → consensus → Execution → Storage → Events. Nothing here has behaviour.
Hashes are 32 bytes, accounts 20; formats in docs/reference/formats.md.
"""

from __future__ import annotations

from hnnode.ports.execution import (
    ActionInfo,
    Applications,
    EventInfo,
    QueryInfo,
    RuleInfo,
)
from hnnode.ports.mempool import (
    NOTHING,
    Admission,
    Batches,
    BlockApplier,
    Decided,
    HeldBatch,
    Mempool,
    Personal,
    ResultDifferences,
    SubmitResult,
    TxState,
    TxStatus,
    Wait,
)
from hnnode.ports.network import (
    Channel,
    FrameHandler,
    Kind,
    Network,
    PeerAddress,
    PeerInfo,
)
from hnnode.ports.node import (
    ChainEvent,
    Clock,
    Cursor,
    Events,
    Node,
    NodeFacts,
    PluginTrouble,
    Proofs,
)
from hnnode.ports.skips import SkipRecords
from hnnode.ports.storage import (
    BatchLocation,
    BatchLog,
    Chain,
    CommitRecord,
    ConsensusLog,
    LoggedBlock,
    SignState,
    StateReader,
    StoredBlock,
    Tip,
    TxLocation,
)

__all__ = [
    "NOTHING",
    "ActionInfo",
    "Admission",
    "Applications",
    "BatchLocation",
    "BatchLog",
    "Batches",
    "BlockApplier",
    "Chain",
    "ChainEvent",
    "Channel",
    "Clock",
    "CommitRecord",
    "ConsensusLog",
    "Cursor",
    "Decided",
    "EventInfo",
    "Events",
    "FrameHandler",
    "HeldBatch",
    "Kind",
    "LoggedBlock",
    "Mempool",
    "Network",
    "Node",
    "NodeFacts",
    "PeerAddress",
    "PeerInfo",
    "Personal",
    "PluginTrouble",
    "Proofs",
    "QueryInfo",
    "ResultDifferences",
    "RuleInfo",
    "SignState",
    "SkipRecords",
    "StateReader",
    "StoredBlock",
    "SubmitResult",
    "Tip",
    "TxLocation",
    "TxState",
    "TxStatus",
    "Wait",
]
