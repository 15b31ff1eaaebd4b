"""Random blocks of `evidence`: the core leaves byte for byte what a naive twin leaves, so the roots are equal."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import hnnode_native as native
import msgspec

from hnnode.errors import CODES
from hnnode.execution.native_events import NATIVE_EVENTS
from hnnode.execution.native_rules import NATIVE_RULES
from hnnode.plugin_api.testing import MemoryState
from tests.kit.evidence_twin import EvidenceTwin

CHAIN = bytes(31) + b"\x01"
AUTHOR = native.SecretKey.generate(bytes([99]) * 32)
KEYS = [native.SecretKey.generate(bytes([n]) * 32) for n in range(1, 7)]
ROLES = [set(), set(), {"notary"}, {"appraiser"}, {"court"}, {"court", "notary"}]
ACCOUNTS = [key.account() for key in KEYS]
COURTS = ACCOUNTS[4:]
HASHES = [bytes([n]) * 32 for n in range(1, 6)]
START_MS = 1_700_000_000_000
RECORDS = ("preserve", "preserve", "preserve_batch", "collect", "link_correction", "issue_certificate")
COSIGNING = ("cosign", "cosign", "cosign_as", "set_policy")
CASES = ("open_case", "submit_to_case", "submit_to_case", "verify", "verify", "verify", "archive_case", "advance_case")
MODELS = {event.name: event.model for event in NATIVE_EVENTS["evidence"]}
ACTIONS = (*RECORDS, *COSIGNING, *CASES)


def accounts() -> native.Accounts:
    known = native.Accounts(1 << 20)
    encoded = [
        native.encode_account_record(key.public_key(), True, 0, "org", sorted(roles))
        for key, roles in zip(KEYS, ROLES, strict=True)
    ]
    known.load(list(zip(ACCOUNTS, encoded, strict=True)))
    return known


class Mix:
    """Transactions that mostly make sense, in any order, on few enough subjects to meet each other."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.cases = [bytes(32)]
        self.items: list[dict[str, str]] = []
        self.time_ms = 0

    def tx(self) -> tuple[int, str, bytes]:
        rng = self.rng
        action = rng.choice(ACTIONS)
        sender = (
            rng.choice((4, 4, 5, 0)) if action in ("verify", "archive_case") else rng.choice((0, 0, 0, 1, 2, 3, 4, 5))
        )
        given = self.payload(action)
        if action == "submit_to_case":
            if self.items and rng.random() < 0.3:
                again = rng.choice(self.items[-8:])
                sender, given = ACCOUNTS.index(bytes.fromhex(again["owner"])), given | again
                del given["owner"]
            self.items.append({"case": given["case"], "hash": given["hash"], "owner": ACCOUNTS[sender].hex()})
        payload = msgspec.json.encode(given)
        if rng.random() < 0.03:
            payload = rng.choice((b"", payload[:-1], b"{" + payload))
        return sender, action, payload

    def policy(self) -> dict[str, Any]:
        rng = self.rng
        who = [account.hex() for account in rng.sample(ACCOUNTS, rng.randrange(3))]
        roles = rng.sample(["notary", "appraiser", "court"], rng.randrange(3))
        return {"needed": rng.choice((0, 1, 1, 1, 2, 2, 3)), "accounts": who, "roles": roles}

    def payload(self, action: str) -> dict[str, Any]:
        rng = self.rng
        digest, owner = rng.choice(HASHES).hex(), rng.choice(ACCOUNTS).hex()
        case = rng.choice(self.cases[-3:]).hex()
        match action:
            case "preserve" | "collect":
                given: dict[str, Any] = {"hash": digest, "algorithm": rng.choice(("sm3", "sha256"))}
                given |= rng.choice(({}, {"name": "合同", "size": rng.randrange(2**40)}))
                given |= {"previous": rng.choice(HASHES).hex()} if rng.random() < 0.2 else {}
                if action == "collect":
                    skew = rng.choice((0, 600_000, -600_000, 600_001, -600_001))
                    given |= rng.choice(({}, {"mime": "video/mp4", "collector": "终端"}, {"environment": "0e" * 32}))
                    given |= rng.choice(({}, {"token": {"time_ms": self.time_ms + skew, "hash": "0c" * 32}}))
                return given
            case "preserve_batch":
                return {"root": digest, "leaf_count": rng.randrange(3), "algorithm": "sm3"}
            case "cosign":
                return {"hash": digest, "owner": owner}
            case "cosign_as":
                return {"hash": digest, "owner": owner, "role": rng.choice(("notary", "notary", "court", "No"))}
            case "set_policy":
                return {"hash": digest, "policy": self.policy()}
            case "open_case":
                given = {"court": rng.choice((COURTS[0], *COURTS, COURTS[0])).hex(), "name": "案"}
                given |= {"parties": [account.hex() for account in rng.choices(ACCOUNTS, k=rng.randrange(4))]}
                given |= rng.choice(({}, {}, {"phases": ["一", "二"]}, {"phases": [""]}))
                return given | rng.choice(({}, {}, {"policy": self.policy()}))
            case "submit_to_case":
                signers = [account.hex() for account in rng.sample(ACCOUNTS, rng.choice((0, 0, 1, 2)))]
                return {"case": case, "hash": digest, "signers": signers}
            case "verify":
                more = rng.choice(({}, {"report": "0f" * 32}))
                given = {"case": case, "hash": digest, "owner": owner, **more}
                given |= rng.choice(self.items[-3:]) if self.items and rng.random() < 0.8 else {}
                return {**given, "computed": rng.choice((given["hash"], given["hash"], "00" * 32))}
            case "link_correction":
                return {"hash": digest, "by": rng.choice(HASHES).hex()}
            case "issue_certificate":
                return {"hash": digest, "owner": owner, "certificate": rng.choice(HASHES).hex()}
            case _:
                return {"case": case}


def root_of(rows: dict[bytes, bytes]) -> bytes:
    tree = native.StateTree(1 << 24)
    updates = [(native.state_key_hash("evidence", key), native.state_value_hash(value)) for key, value in rows.items()]
    while missing := tree.apply_pairs(updates):
        tree.load([(page, None) for page in missing])
    root: bytes = tree.root()
    return root


def test_random_blocks_leave_equal_roots() -> None:
    codes: Counter[int] = Counter()
    rules: set[str] = set()
    events: set[str] = set()
    known, prefix = accounts(), native.state_key("evidence", b"")
    for seed in range(24):
        mix, state = Mix(seed), MemoryState()
        twin = EvidenceTwin(dict(zip(ACCOUNTS, ROLES, strict=True)))
        pool = native.Pool(CHAIN, 1 << 24, 10_000, 1 << 24, 4_096, 1 << 20, 100, 10)
        for height in range(1, 9):
            mix.time_ms = time_ms = START_MS + height * 1_000
            txs = []
            for n in range(40):
                sender, action, payload = mix.tx()
                tx_id, data = native.build_txs(
                    KEYS[sender], CHAIN, height * 1_000 + n, height + 5, "evidence", action, [payload]
                )[0]
                mix.cases += [tx_id] if action == "open_case" else []
                txs.append((tx_id, data, sender, action, payload))
            signed = [data for _, data, *_ in txs]
            assert set(pool.admit(native.DecodedTxs.decode(signed, CHAIN), known, bytes(40), height - 1)) == {0}
            batch = pool.seal(AUTHOR, height)
            assert batch is not None
            table = native.DispatchTable([])
            author = AUTHOR.account()
            block = native.BlockExecution(CHAIN, height, time_ms, author, 100, [batch], known, table)
            block.set_committed(bytes(40))
            block.supply(state.get_many(block.native_keys()))
            block.run_native()
            result = block.finish()
            state.apply(result.writes)
            state.height = height
            by_id = {tx_id: rest for tx_id, *rest in txs}
            for raw in result.receipts:
                receipt = native.Receipt.decode(raw)
                _, sender, action, payload = by_id[receipt.tx_id]
                want = twin.run(receipt.tx_id, ACCOUNTS[sender], action, payload, height, time_ms)
                got = (receipt.code, receipt.rule, [event[0] for event in receipt.events])
                assert got == want, (seed, height, action, payload)
                codes[receipt.code] += 1
                rules.add(receipt.rule)
                events |= set(got[2])
                for name, _, data in receipt.events:
                    msgspec.json.decode(data, type=MODELS[name])
            rows = {key[len(prefix) :]: value for key, value in state.dump().items() if key.startswith(prefix)}
            assert rows == twin.rows
            assert root_of(rows) == root_of(twin.rows)
    assert codes[0] > 700
    assert {CODES[name] for name in ("PAYLOAD_INVALID", "RULE_VIOLATION", "ROLE_MISSING")} < set(codes)
    missed = {rule for rule in NATIVE_RULES if rule.startswith("evidence.")} - rules
    assert missed <= {"evidence.case_full"}
    assert events == MODELS.keys()
