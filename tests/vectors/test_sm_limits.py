"""Calls with too many items, or with items of wrong lengths: an error, and no work before it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import hnnode_native as native
import pytest

COUNT_MAX = 100_000
KEY = native.SecretKey.generate(b"\7" * 32)
PUBLIC, MESSAGE = KEY.public_key(), b"m"
SIGNATURE = KEY.sign(MESSAGE)


def refused(call: Callable[[], object]) -> str:
    """Text of the error, which comes before any signature is looked at or message hashed."""
    with pytest.raises(native.NativeError) as caught:
        call()
    assert caught.value.code == native.CODES["PARAMETER_INVALID"]
    return str(caught.value)


def test_batches_over_the_limit_are_refused() -> None:
    over = COUNT_MAX + 1
    text = refused(lambda: native.verify_batch([PUBLIC] * over, [MESSAGE] * over, [SIGNATURE] * over))
    assert f"got {over} items, want at most {COUNT_MAX}" in text
    assert f"want at most {COUNT_MAX}" in refused(lambda: native.sm3_batch([MESSAGE] * over))
    assert f"want at most {COUNT_MAX}" in refused(lambda: KEY.sign_batch([MESSAGE] * over))


def test_the_largest_batch_of_hashes_is_served() -> None:
    assert set(native.sm3_batch([MESSAGE] * COUNT_MAX)) == {native.sm3(MESSAGE)}


@pytest.mark.parametrize("length", [0, 1, 63, 65, 72, 128])
def test_a_signature_of_a_wrong_length_stops_the_batch(length: int) -> None:
    """Anywhere in it, also at the end of a long one."""
    wrong = bytes(length)
    for count in (1, 16, 20_000):
        signatures = [SIGNATURE] * (count - 1) + [wrong]
        text = refused(partial(native.verify_batch, [PUBLIC] * count, [MESSAGE] * count, signatures))
        assert f"got {length} bytes" in text
    with pytest.raises(native.NativeError):
        native.verify(PUBLIC, MESSAGE, wrong)


def test_lists_of_unequal_lengths_are_refused() -> None:
    for keys, messages, signatures in [(2, 1, 1), (1, 2, 1), (1, 1, 2), (0, 1, 1), (1, 0, 1), (1, 1, 0)]:
        lists = [PUBLIC] * keys, [MESSAGE] * messages, [SIGNATURE] * signatures
        text = refused(partial(native.verify_batch, *lists))
        assert "the same count" in text
    assert native.verify_batch([], [], []) == b""


def test_a_malformed_key_is_a_verdict_of_its_own_item() -> None:
    bad = [b"", PUBLIC[:-1], PUBLIC + b"\0", b"\6" + PUBLIC[1:], bytes(65)]
    keys = [PUBLIC, *bad, PUBLIC]
    found = native.verify_batch(keys, [MESSAGE] * len(keys), [SIGNATURE] * len(keys))
    assert found == b"\0" + b"\3" * len(bad) + b"\0"


def test_counts_without_a_cliff_get_their_verdicts() -> None:
    """Sizes around the lanes, their pairs, and the parts of a batch; every seventh signature is broken."""
    altered = bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:]
    signatures = [altered if at % 7 == 3 else SIGNATURE for at in range(2_049)]
    want = bytes(1 if at % 7 == 3 else 0 for at in range(2_049))
    for count in (0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 127, 128, 129, 511, 512, 513, 1_023, 1_024, 1_025, 2_049):
        found = native.verify_batch([PUBLIC] * count, [MESSAGE] * count, signatures[:count])
        assert found == want[:count], count
