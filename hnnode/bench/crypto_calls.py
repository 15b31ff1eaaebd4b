"""Fields of `hnnode bench crypto` that are measured from Python: the same work, through the boundary of the compiled core."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

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


def _best_s(work: Callable[[], object], seconds: float) -> float:
    """Time of the fastest call. The first one warms up and does not count, unless it alone takes longer than the time
    given: then it is the only one.
    """
    started = time.perf_counter()
    work()
    now = time.perf_counter()
    if now - started >= seconds:
        return now - started
    best, end = float("inf"), now + seconds
    while True:
        started = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - started)
        if now >= end:
            return best


def _hashes(label: str, count: int) -> list[bytes]:
    return native.sm3_batch([f"{label} {i}".encode() for i in range(count)])


def _in_calls(items: list[bytes], count: int) -> list[list[bytes]]:
    return [items[at : at + count] for at in range(0, len(items), count)]


def _many_hashes(label: str, count: int) -> list[bytes]:
    calls = range(0, count, 50_000)
    return [h for at in calls for h in _hashes(f"{label} {at}", min(50_000, count - at))]


def _verify_batch(seconds: float) -> float:
    secrets = [native.SecretKey.generate(seed) for seed in _hashes("key", KEYS)]
    messages = _hashes("message", BATCH)
    signatures = [secrets[i % KEYS].sign(message) for i, message in enumerate(messages)]
    keys = [secrets[i % KEYS].public_key() for i in range(BATCH)]
    for _ in range(WARM_CALLS):
        if any(native.verify_batch(keys, messages, signatures)):
            raise RuntimeError("a good signature was refused")
    return BATCH / _best_s(lambda: native.verify_batch(keys, messages, signatures), seconds)


def _verify_single(seconds: float) -> float:
    secret = native.SecretKey.generate(_hashes("key", 1)[0])
    key, message = secret.public_key(), _hashes("message", 1)[0]
    signature = secret.sign(message)
    return 1e6 * _best_s(lambda: native.verify(key, message, signature), seconds)


def _sign_batch(seconds: float) -> float:
    secret, messages = native.SecretKey.generate(_hashes("key", 1)[0]), _hashes("message", BATCH)
    return BATCH / _best_s(lambda: secret.sign_batch(messages), seconds)


def _sm3_batch(seconds: float) -> float:
    messages = [2 * item for item in _hashes("message", BATCH)]
    return BATCH / _best_s(lambda: native.sm3_batch(messages), seconds)


def _sm3_stream(seconds: float) -> float:
    data = bytes(STREAM_BYTES)
    return STREAM_BYTES / _best_s(lambda: native.sm3(data), seconds) / 1e6


def _sm4_gcm(seconds: float) -> float:
    key, nonce, plain = bytes(16), bytes(12), bytes(RECORD_BYTES)
    return RECORD_BYTES / _best_s(lambda: native.sm4_gcm_seal(key, nonce, b"", plain), seconds) / 1e6


def _merkle(seconds: float) -> float:
    leaves = _many_hashes("leaf", LEAVES)
    return 1e3 * _best_s(lambda: native.block_root(leaves), seconds)


def _state_tree(seconds: float) -> float:
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

    return len(spread) / _best_s(update, seconds)


CALLS: Mapping[str, Callable[[float], float]] = {
    "py_verify_batch_1000_per_s": _verify_batch,
    "py_verify_single_us": _verify_single,
    "py_sign_batch_1000_per_s": _sign_batch,
    "py_sm3_batch_1000_per_s": _sm3_batch,
    "py_sm3_stream_MBps": _sm3_stream,
    "py_merkle_1M_leaves_ms": _merkle,
    "py_state_tree_1M_updates_per_s": _state_tree,
    "py_sm4_gcm_MBps": _sm4_gcm,
}
