"""Random blocks, faults among them: the executor gives byte for byte what a naive twin gives."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from typing import Any

import hnnode_native as native
import msgspec
import pytest

from hnnode.config import ExecutionConfig
from hnnode.errors import CODES
from hnnode.execution import Host
from hnnode.execution.records import AccountRecord
from hnnode.plugin_api.testing import MemoryState, account_record
from tests.kit import plugin_twin

USCC, GTIN, OTHER_GTIN = "11430000006122244L", "6924561884074", "6901234567892"
NAMES = [f"BATCH-{i}" for i in range(16)]
DOC = "ab" * 32
ROLES = ("importer", "first_station", "warehouse", "retailer", "carrier", "regulator")
ACCOUNTS = {hashlib.sha256(role.encode()).digest()[:20]: role for role in ROLES}
BY_ROLE = {role: account for account, role in ACCOUNTS.items()}
RECORDS = {account: account_record(role, [role]) for account, role in ACCOUNTS.items()}
LIFE = ("pre_declare", "arrive", "test", "disinfect", "assign_code", "release", "stock_in")
AFTER = ("commit_temperatures", "ship_out", "confirm_in", "take_back", "split", "merge", "sell", "dispose")
RARE = ("freeze", "recall", "unfreeze", "propagate", "set_product", "set_parameters", "unheard_of")
ACTOR = {
    "pre_declare": "importer",
    **dict.fromkeys(LIFE[1:6], "first_station"),
    **dict.fromkeys(("freeze", "recall", "unfreeze", "set_product", "set_parameters"), "regulator"),
}


class Mix:
    """Transactions that mostly bring some batch one step further, and sometimes anything."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._stage: Counter[str] = Counter()
        self._count = 0
        self._holds = ["00" * 16]

    def block(self, size: int) -> list[Any]:
        return [self._tx(index) for index in range(size)]

    def _tx(self, index: int) -> tuple[int, bytes, bytes, str, bytes]:
        rng = self._random
        self._count += 1
        tx_id = hashlib.sha256(self._count.to_bytes(4, "big")).digest()
        name = rng.choice(NAMES)
        kind = rng.random()
        if kind < 0.6 and self._stage[name] < len(LIFE):
            action = LIFE[self._stage[name]]
            self._stage[name] += 1
        elif kind < 0.85:
            action = rng.choice(AFTER)
        else:
            action = rng.choice((*LIFE, *RARE))
        usual = 0.99 if action in LIFE else 0.9
        if action in ("freeze", "recall"):
            self._holds.append(tx_id[:16].hex())
        sender = BY_ROLE[ACTOR.get(action, "warehouse") if rng.random() < usual else rng.choice(ROLES)]
        payload = msgspec.json.encode(self._payload(action, name))
        if rng.random() > usual:
            payload = rng.choice((b"", payload[:-1], payload.replace(b"B", b"b"), payload[:-1] + b',"x":1}', b"[]"))
        return index, tx_id, sender, action, payload

    def _payload(self, action: str, name: str) -> dict[str, Any]:
        rng = self._random
        low = rng.randrange(-700, 100)
        grams = rng.choice((*[1_000] * 9, 500, 500, 1, 10**12, 0))
        city = rng.choice(("410100", "410200"))
        match action:
            case "pre_declare":
                who = {"station": BY_ROLE["first_station"].hex(), "uscc": rng.choice((*[USCC] * 9, USCC[:-1] + "A"))}
                what = {"gtin": rng.choice((*[GTIN, OTHER_GTIN] * 4, "12345678")), "country": "EC", "declaration": DOC}
                return {"batch": name, "grams": 1_000, **who, **what}
            case "arrive":
                return {"batch": name, "grams": grams, "city": city}
            case "test":
                return {"batch": name, "passed": rng.random() < 0.9, "report": DOC}
            case "disinfect" | "dispose":
                return {"batch": name, "certificate": DOC}
            case "assign_code":
                return {"batch": name, "code": rng.choice((*[f"CODE-{name}"] * 9, "13912345678"))}
            case "release":
                return {"batch": name, "consignee": BY_ROLE["warehouse"].hex(), "certificate": DOC}
            case "ship_out":
                minutes = rng.choice((None, 1, 50_000, 7))
                return {"batch": name, "to": BY_ROLE[rng.choice(("retailer", "warehouse"))].hex(), "minutes": minutes}
            case "split":
                names = [f"{name}-{number}" for number in rng.choice(((0, 1), (0,), (0, 0)))]
                grams = grams // len(names)
                outputs = [{"batch": each, "code": f"CODE-{each}", "grams": grams} for each in names]
                return {"batch": name, "outputs": outputs, "loss_grams": 0}
            case "merge":
                return {"inputs": rng.choices(NAMES, k=2), "batch": f"{name}-M", "code": f"CODE-{name}-M"}
            case "sell":
                return {"batch": name, "grams": grams}
            case "commit_temperatures":
                times = {"from_ms": rng.randrange(3), "to_ms": rng.choice((2, 3, 2**50))}
                return {"batch": name, "root": DOC, "count": 9, "min": low, "max": low + rng.randrange(-5, 99), **times}
            case "freeze" | "recall":
                return {"batch": name, "reason": "order", "document": DOC}
            case "unfreeze" | "propagate":
                return {"hold": rng.choice(self._holds)} | ({"document": DOC} if action == "unfreeze" else {})
            case "set_product":
                needs = {"test_required": rng.random() < 0.5, "disinfect_required": True}
                return {"gtin": GTIN, "min": low, "max": 0, **needs}
            case "set_parameters":
                return {"offer_minutes": rng.choice((0, 1, 1_440))}
            case _:
                return {"batch": name, "city": city}


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.load(["coldchain"])


def facts(sender: bytes) -> tuple[str, tuple[str, ...]]:
    decoded = AccountRecord.decode(RECORDS[sender])
    return decoded.organisation, decoded.roles


def test_random_blocks_are_packed_as_the_twin_says(host: Host) -> None:
    table, executor = host.applications["coldchain"], host.executor()
    prefix = table.prefix
    codes: Counter[int] = Counter()
    rules: set[str] = set()
    for seed in range(12):
        mix, state, twin_state = Mix(seed), MemoryState(), {}
        for height in range(1, 7):
            txs, time_ms = mix.block(60), height * 90_000
            want = plugin_twin.execute(table, txs, twin_state, height, time_ms, facts)
            got = executor.execute_packed("coldchain", txs, state, height, time_ms, RECORDS)
            assert native.unpack_results(got) == want, f"seed {seed}, height {height}"
            for _, code, rule, _, writes, _ in want:
                codes[code] += 1
                rules.add(rule)
                state.apply([(prefix + key, value) for key, value in writes])
            assert state.dump() == {prefix + key: value for key, value in twin_state.items()}
    assert codes[0] > 600
    assert {CODES[name] for name in ("ACTION_UNKNOWN", "PAYLOAD_INVALID", "RULE_VIOLATION")} < set(codes)
    assert len(rules) > 20


def test_random_blocks_are_packed_alike_in_a_process_of_their_own(host: Host) -> None:
    apart = Host.load(["coldchain"], ExecutionConfig(isolated=True))
    try:
        inside, isolated, prefix = host.executor(), apart.executor(), host.applications["coldchain"].prefix
        for seed in range(20, 23):
            mix, state = Mix(seed), MemoryState()
            for height in range(1, 7):
                txs, time_ms = mix.block(60), height * 90_000
                want = inside.execute_packed("coldchain", txs, state, height, time_ms, RECORDS)
                assert isolated.execute_packed("coldchain", txs, state, height, time_ms, RECORDS) == want
                for result in native.unpack_results(want):
                    state.apply([(prefix + key, value) for key, value in result[4]])
    finally:
        apart.close()


@pytest.mark.parametrize("size", [1, 7])
def test_temperatures_that_follow_each_other_are_handled_as_if_alone(host: Host, size: int) -> None:
    """One block of refused and accepted stretches, cut into blocks of any size, leaves the same."""
    executor, mix = host.executor(), Mix(3)
    start = MemoryState()
    for row in executor.execute_group("coldchain", mix.block(60), start, 1, 90_000, RECORDS):
        start.apply([(host.applications["coldchain"].prefix + key, value) for key, value in row[4]])
    txs = [
        (
            index,
            bytes(32),
            BY_ROLE[role],
            "commit_temperatures",
            msgspec.json.encode(mix._payload("commit_temperatures", name)),
        )
        for index, (name, role) in enumerate(
            (name, role) for name in NAMES for role in (*ROLES, "first_station", "warehouse")
        )
    ]

    def results(step: int) -> list[Any]:
        state, found = MemoryState(), []
        state.apply(sorted(start.dump().items()))
        for at in range(0, len(txs), step):
            part = executor.execute_group("coldchain", txs[at : at + step], state, 2, 2**51, RECORDS)
            for row in part:
                state.apply([(host.applications["coldchain"].prefix + key, value) for key, value in row[4]])
            found += part
        return found

    whole = results(len(txs))
    assert len({row[1] for row in whole}) == 2
    assert whole == results(size)
