"""A file that went all the way on a memory node: collected, co-signed two of two, submitted, verified, archived."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hnnode_native import Receipt, sm3

from hnnode.crypto import MemorySigner
from tests.kit.http import evidence_tx
from tests.kit.memory_node import MemoryNode

FILE = "取证录像 frame ".encode() * 500
DIGEST = sm3(FILE)
REPORT = sm3(b"report")


@dataclass
class Story:
    """Accounts by part, and the chain they act on: one of their own, or one that knows them and their roles."""

    owner: MemorySigner = field(default_factory=MemorySigner.generate)
    notary: MemorySigner = field(default_factory=MemorySigner.generate)
    witness: MemorySigner = field(default_factory=MemorySigner.generate)
    court: MemorySigner = field(default_factory=MemorySigner.generate)
    node: MemoryNode = field(default=None)  # type: ignore[assignment]  # made below unless given

    def __post_init__(self) -> None:
        users = [each.public_key for each in (self.owner, self.notary, self.witness, self.court)]
        self.node = self.node or MemoryNode(users, roles={1: ["notary"], 3: ["court"]})
        self._nonce = 0

    def send(self, who: MemorySigner, action: str, payload: dict[str, Any]) -> bytes:
        """One transaction in a block of its own, certified; its id. It has to succeed."""
        self._nonce += 1
        tip = self.node.chain.tip().height
        chain_id, until = self.node.chain_id, tip + 50
        tx = evidence_tx(chain_id, who, action=action, until=until, nonce=self._nonce, payload=payload)
        tx_id = tx.tx_id
        asyncio.run(self.node.submit([tx.data]))
        self.node.commit_block()
        location = self.node.chain.tx_locations([tx_id])[0]
        assert location is not None
        receipt = Receipt.decode(self.node.chain.receipts(location.height)[location.tx_index])
        assert receipt.code == 0, (action, receipt.code, receipt.rule)
        return tx_id

    def collect(self, name: str = "现场录像<b>.mp4") -> None:
        token = {"time_ms": self.node.chain.tip().time_ms, "hash": "0c" * 32, "issuer": "TSA"}
        facts = {"mime": "video/mp4", "collector": "取证终端 3.1", "environment": "0e" * 32, "token": token}
        payload = {"hash": DIGEST.hex(), "algorithm": "sm3", "size": len(FILE), "name": name, **facts}
        self.send(self.owner, "collect", payload)

    def cosign(self) -> None:
        accounts = [self.witness.account.hex()]
        policy = {"needed": 2, "accounts": accounts, "roles": ["notary"]}
        self.send(self.owner, "set_policy", {"hash": DIGEST.hex(), "policy": policy})
        pair = {"hash": DIGEST.hex(), "owner": self.owner.account.hex()}
        self.send(self.witness, "cosign", pair)
        self.send(self.notary, "cosign_as", {**pair, "role": "notary"})

    def submit(self) -> bytes:
        court = self.court.account.hex()
        case = self.send(
            self.owner, "open_case", {"court": court, "name": "2026豫01民初1号", "phases": ["立案", "质证"]}
        )
        signers = [self.witness.account.hex(), self.notary.account.hex()]
        self.send(self.owner, "submit_to_case", {"case": case.hex(), "hash": DIGEST.hex(), "signers": signers})
        return case

    def verify(self, case: bytes, computed: bytes = DIGEST) -> None:
        pair = {"hash": DIGEST.hex(), "owner": self.owner.account.hex()}
        found = {"computed": computed.hex(), "report": REPORT.hex()}
        self.send(self.court, "verify", {"case": case.hex(), **pair, **found})

    def archive(self, case: bytes) -> None:
        self.send(self.court, "archive_case", {"case": case.hex()})

    def certificate(self, case: bytes | None = None) -> bytes:
        self.node.commit_block([])
        return self.node.proofs.certificate(DIGEST, self.owner.account, case)

    def whole(self) -> bytes:
        """Everything there is; the id of the case."""
        self.collect()
        self.cosign()
        case = self.submit()
        self.verify(case)
        self.archive(case)
        return case


def told() -> tuple[Story, bytes]:
    """The whole story and its case."""
    story = Story()
    return story, story.whole()
