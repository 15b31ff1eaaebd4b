"""Fields of `hnnode bench crypto` that are measured from Python: the same work, through the boundary of the compiled core."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import hnnode_native as native

BATCH = 1_000
KEYS = 64
WARM_CALLS = 32
"""A key is used 15 times a call and has its widest table after 400 uses."""
RECORD_BYTES = 16 * 1024
STREAM_BYTES = 1 << 20
LEAVES = 1 << 20
STATE_KEYS = 1_000_000
UPDATE_KEYS = 10_000
FILL_KEYS = 100_000
STATE_CACHE_BYTES = 8 << 30


@dataclass(frozen=True, slots=True)
class Clock:
    """Runs work again and again for the time given."""

    seconds: float
    now: Callable[[], float]
    """What a run costs: `time.process_time` on one thread, as `openssl speed` takes it, `time.perf_counter` on several."""

    def best_s(self, work: Callable[[], object]) -> float:
        """Time of the fastest call. The first one warms up and does not count, unless it alone takes longer than the time
        given: then it is the only one.
        """
        end = time.perf_counter() + self.seconds
        best = self._once(work)
        if time.perf_counter() >= end:
            return best
        end = time.perf_counter() + self.seconds
        best = self._once(work)
        while time.perf_counter() < end:
            best = min(best, self._once(work))
        return best

    def _once(self, work: Callable[[], object]) -> float:
        started = self.now()
        work()
        return self.now() - started


def _hashes(label: str, count: int) -> list[bytes]:
    return native.sm3_batch([f"{label} {i}".encode() for i in range(count)])


def _in_calls(items: list[bytes], count: int) -> list[list[bytes]]:
    return [items[at : at + count] for at in range(0, len(items), count)]


def _many_hashes(label: str, count: int) -> list[bytes]:
    calls = range(0, count, 50_000)
    return [h for at in calls for h in _hashes(f"{label} {at}", min(50_000, count - at))]


def _verify_batch(clock: Clock) -> float:
    secrets = [native.SecretKey.generate(seed) for seed in _hashes("key", KEYS)]
    messages = _hashes("message", BATCH)
    signatures = [secrets[i % KEYS].sign(message) for i, message in enumerate(messages)]
    keys = [secrets[i % KEYS].public_key() for i in range(BATCH)]
    for _ in range(WARM_CALLS):
        if any(native.verify_batch(keys, messages, signatures)):
            raise RuntimeError("a good signature was refused")
    return BATCH / clock.best_s(lambda: native.verify_batch(keys, messages, signatures))


def _verify_single(clock: Clock) -> float:
    secret = native.SecretKey.generate(_hashes("key", 1)[0])
    key, message = secret.public_key(), _hashes("message", 1)[0]
    signature = secret.sign(message)
    return 1e6 * clock.best_s(lambda: native.verify(key, message, signature))


def _sign_batch(clock: Clock) -> float:
    secret, messages = native.SecretKey.generate(_hashes("key", 1)[0]), _hashes("message", BATCH)
    return BATCH / clock.best_s(lambda: secret.sign_batch(messages))


def _sm3_batch(clock: Clock) -> float:
    messages = [2 * item for item in _hashes("message", BATCH)]
    return BATCH / clock.best_s(lambda: native.sm3_batch(messages))


def _sm3_stream(clock: Clock) -> float:
    data = bytes(STREAM_BYTES)
    return STREAM_BYTES / clock.best_s(lambda: native.sm3(data)) / 1e6


def _sm4_gcm(clock: Clock) -> float:
    key, nonce, plain = bytes(16), bytes(12), bytes(RECORD_BYTES)
    return RECORD_BYTES / clock.best_s(lambda: native.sm4_gcm_seal(key, nonce, b"", plain)) / 1e6


def _merkle(clock: Clock) -> float:
    leaves = _many_hashes("leaf", LEAVES)
    return 1e3 * clock.best_s(lambda: native.block_root(leaves))


def _state_tree(clock: Clock) -> float:
    tree = native.StateTree(STATE_CACHE_BYTES)
    tree.load([(page, None) for page in tree.missing([])])
    keys = _many_hashes("state", STATE_KEYS)
    for part in _in_calls(sorted(keys), FILL_KEYS):  # sorted: every page is visited once
        tree.apply_pairs([(key, key) for key in part])
    spread = sorted(keys[:: STATE_KEYS // UPDATE_KEYS])
    rounds = [[(key, value) for key in spread] for value in _hashes("value", 64)]
    state = {"round": 0}

    def update() -> None:
        state["round"] += 1
        tree.apply_pairs(rounds[state["round"] % len(rounds)])

    return len(spread) / clock.best_s(update)


CALLS: Mapping[str, Callable[[Clock], float]] = {
    "py_verify_batch_1000_per_s": _verify_batch,
    "py_verify_single_us": _verify_single,
    "py_sign_batch_1000_per_s": _sign_batch,
    "py_sm3_batch_1000_per_s": _sm3_batch,
    "py_sm3_stream_MBps": _sm3_stream,
    "py_merkle_1M_leaves_ms": _merkle,
    "py_state_tree_1M_updates_per_s": _state_tree,
    "py_sm4_gcm_MBps": _sm4_gcm,
}
