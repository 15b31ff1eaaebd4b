"""Skip records: strict bytes, signatures that count, and promises that are kept."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hnnode_native import SecretKey, ValidatorSet
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import FatalError, Rejected
from hnnode.governance.skips import Skips, SkipsChanged, gathered
from hnnode.node.skip_desk import ask
from hnnode.primitives.skip import (
    BLOCK_RECORDS_MAX,
    EVERY_TX,
    RECORD_BYTES_MAX,
    Skip,
    SkipSignature,
    Subject,
    decode_skip,
    decode_skips,
    encode_skips,
    merge,
    unsigned,
)

CHAIN, BLOCK, TX = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
KEYS = [SecretKey.generate(bytes((n + 1,)) * 32) for n in range(4)]
STRANGER = SecretKey.generate(b"\x63" * 32)
VALIDATORS = ValidatorSet(0, [(key.public_key(), 1) for key in KEYS])
SUBJECT = Subject(7, BLOCK, "stuck", TX)


def record(*keys: SecretKey, subject: Subject = SUBJECT) -> Skip:
    base = unsigned(CHAIN, subject)
    return merge([base, *(base.signed(key) for key in keys)])


def refused(name: str, call: Callable[[], object]) -> None:
    with pytest.raises(Rejected) as caught:
        call()
    assert caught.value.info.name == name


# ---------------------------------------------------------------- the record itself
def test_what_is_signed_is_exactly_this() -> None:
    want = b"hn/skip/v1" + CHAIN + (7).to_bytes(8, "big") + BLOCK + TX + b"\x05stuck"
    assert record().message() == want


def test_a_record_comes_back_as_it_was() -> None:
    made = record(*KEYS[:3])
    assert decode_skip(made.encode()) == made
    assert decode_skips(encode_skips([made, record()])) == [made, record()]
    assert encode_skips([]) == b""
    assert decode_skips(b"") == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"height": 0},
        {"height": 2**62 + 1},
        {"height": "7"},
        {"chain_id": "01" * 31},
        {"block_hash": "0G" * 32},
        {"tx_id": ("03" * 32).upper().replace("0", "A")},
        {"tx_id": "03" * 32 + "\n"},
        {"application": "../up"},
        {"application": "stuck\n"},
        {"application": ""},
        {"application": "a" * 33},
        {"more": 1},
        {"signatures": [{"validator": "00" * 20, "signature": "00" * 63}]},
        {"signatures": [{"validator": "00" * 20, "signature": "00" * 64}] * 1_001},
        {"signatures": {}},
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    data = msgspec.to_builtins(record(KEYS[0])) | change
    refused("REQUEST_MALFORMED", lambda: decode_skip(msgspec.json.encode(data)))


@given(st.binary(max_size=300) | st.just(b"[" * 200_000) | st.just(b" " * (RECORD_BYTES_MAX + 1)))
def test_bytes_of_strangers_are_refused(data: bytes) -> None:
    refused("REQUEST_MALFORMED", lambda: decode_skip(data))
    if data:
        refused("REQUEST_MALFORMED", lambda: decode_skips(data))


def test_too_many_records_of_a_block_are_refused() -> None:
    refused("REQUEST_MALFORMED", lambda: decode_skips(encode_skips([record()] * (BLOCK_RECORDS_MAX + 1))))


def test_only_a_quorum_of_validators_counts() -> None:
    record(*KEYS[:3]).check(VALIDATORS, CHAIN)
    record(*KEYS).check(VALIDATORS, CHAIN)
    refused("CERTIFICATE_QUORUM", lambda: record(*KEYS[:2]).check(VALIDATORS, CHAIN))
    refused("CERTIFICATE_QUORUM", lambda: record().check(VALIDATORS, CHAIN))
    refused("CERTIFICATE_SIGNER", lambda: record(*KEYS[:3], STRANGER).check(VALIDATORS, CHAIN))
    refused("WRONG_CHAIN", lambda: record(*KEYS[:3]).check(VALIDATORS, BLOCK))
    whole = record(*KEYS[:3])
    twice = msgspec.structs.replace(whole, signatures=(*whole.signatures[:2], whole.signatures[0]))
    refused("CERTIFICATE_SIGNER", lambda: twice.check(VALIDATORS, CHAIN))
    swapped = [
        SkipSignature(one.validator, other.signature)
        for one, other in zip(whole.signatures, whole.signatures[1:] + whole.signatures[:1], strict=True)
    ]
    refused(
        "CERTIFICATE_SIGNATURE",
        lambda: msgspec.structs.replace(whole, signatures=tuple(swapped)).check(VALIDATORS, CHAIN),
    )
    for change in (
        {"height": 8},
        {"block_hash": TX.hex()},
        {"tx_id": BLOCK.hex()},
        {"tx_id": EVERY_TX.hex()},
        {"application": "other"},
    ):
        other = msgspec.structs.replace(whole, **change)
        refused("CERTIFICATE_SIGNATURE", lambda other=other: other.check(VALIDATORS, CHAIN))


def test_power_decides_and_not_the_number() -> None:
    heavy = ValidatorSet(0, [(key.public_key(), power) for key, power in zip(KEYS, (10, 1, 1, 1), strict=True)])
    record(KEYS[0]).check(heavy, CHAIN)
    refused("CERTIFICATE_QUORUM", lambda: record(*KEYS[1:]).check(heavy, CHAIN))


def test_files_are_gathered_whatever_their_order_and_number() -> None:
    files = [record().signed(key) for key in KEYS] * 2
    random.Random(1).shuffle(files)
    assert gathered(files, VALIDATORS, CHAIN) == (record(*KEYS), 4)
    other = record(KEYS[0], subject=SUBJECT._replace(height=8))
    refused("PARAMETER_INVALID", lambda: gathered([*files, other], VALIDATORS, CHAIN))
    refused("PARAMETER_INVALID", lambda: gathered([], VALIDATORS, CHAIN))


# ---------------------------------------------------------------- what a node knows
def skips(folder: Path, number: int = 0) -> Skips:
    return Skips(folder / f"skips{number}", CHAIN, VALIDATORS)


def sealed(known: Skips, used: dict[str, frozenset[bytes]] | None = None, *, was_logged: bool = False) -> bool:
    return known.seal(7, BLOCK, used or {}, was_logged=was_logged)


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    return thread, results


def test_without_records_a_block_is_sealed_at_once(tmp_path: Path) -> None:
    known = skips(tmp_path)
    assert known.begin(7, BLOCK) == {}
    known.unchanged(7, BLOCK, {})
    assert sealed(known)
    assert known.of(7) == []
    assert not (tmp_path / "skips0").exists()


def test_who_executed_neither_signs_nor_takes(tmp_path: Path) -> None:
    known = skips(tmp_path)
    refused("NOT_FOUND", lambda: known.sign(SUBJECT, KEYS[0], 7))
    known.begin(7, BLOCK)
    refused("NOT_FOUND", lambda: known.sign(SUBJECT._replace(height=8), KEYS[0], 7))
    refused("NOT_FOUND", lambda: known.sign(SUBJECT._replace(block_hash=TX), KEYS[0], 7))
    refused("NOT_FOUND", lambda: known.sign(SUBJECT, KEYS[0], 8))  # its log says that results were told before a crash
    assert sealed(known)
    refused("NOT_FOUND", lambda: known.sign(SUBJECT, KEYS[0], 7))
    assert not known.take(record(*KEYS[:3]))
    after = skips(tmp_path)
    after.executed(7)
    assert not after.take(record(*KEYS[:3]))


def test_who_may_have_voted_before_its_log_was_lost_signs_nothing(tmp_path: Path) -> None:
    """Regression: only the log told that results of the block had been told, and a reset node has none of it."""
    known = skips(tmp_path)
    known.begin(7, BLOCK)
    refused("NOT_FOUND", lambda: known.sign(SUBJECT, KEYS[0], 7, may_vote=False))
    assert not known.promised(7)
    assert not (tmp_path / "skips0").exists()
    mine = known.sign(SUBJECT, KEYS[0], 7)
    assert known.sign(SUBJECT, KEYS[0], 7, may_vote=False) == mine  # it was signed already


def test_what_root_asks_belongs_to_the_owner_of_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a folder that root had made stopped the node, and kept it from starting: it could not read its promises."""
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr("hnnode.node.skip_desk.os.geteuid", lambda: 0)
    monkeypatch.setattr(
        "hnnode.node.skip_desk.os.chown", lambda path, uid, gid: given.update({Path(path).name: (uid, gid)})
    )
    assert ask(tmp_path / "skips", "7-stuck-all", ".sign", record(), 0.01) is None
    own = tmp_path.stat()
    assert given == dict.fromkeys(("skips", "7-stuck-all.draft"), (own.st_uid, own.st_gid))
    assert list((tmp_path / "skips").iterdir()) == []


def test_a_record_that_came_late_means_another_execution(tmp_path: Path) -> None:
    known = skips(tmp_path)
    used = known.begin(7, BLOCK)
    whole = record(*KEYS[:3])
    assert known.take(whole)
    assert not known.take(whole)
    assert known.has(whole)
    with pytest.raises(SkipsChanged):
        known.unchanged(7, BLOCK, used)
    assert not known.seal(7, BLOCK, used, was_logged=False)
    used = known.begin(7, BLOCK)
    assert used == {"stuck": frozenset((TX,))}
    assert known.seal(7, BLOCK, used, was_logged=False)
    assert skips(tmp_path).begin(7, BLOCK) == used
    assert skips(tmp_path).begin(7, TX) == {}
    assert skips(tmp_path).of(7) == [whole]


def test_who_signed_waits_for_the_record(tmp_path: Path) -> None:
    known = skips(tmp_path)
    known.begin(7, BLOCK)
    mine = known.sign(SUBJECT, KEYS[0], 7)
    assert mine == record(KEYS[0])
    again = skips(tmp_path)  # a crash forgets nothing of it
    again.begin(7, BLOCK)
    assert again.sign(SUBJECT, KEYS[0], 9) == mine
    for each in (known, again):
        thread, results = in_thread(lambda each=each: sealed(each))
        thread.join(0.1)
        assert thread.is_alive()
        each.take(record(*KEYS[:3]))
        thread.join(10)
        assert results == [False]
        assert each.seal(7, BLOCK, each.begin(7, BLOCK), was_logged=False)


@pytest.mark.parametrize("way", ["certified", "every", "closed", "logged"])
def test_a_promise_ends(tmp_path: Path, way: str) -> None:
    known = skips(tmp_path)
    known.begin(7, BLOCK)
    known.sign(SUBJECT, KEYS[0], 7)
    if way == "logged":
        assert sealed(known, was_logged=True)
        return
    if way == "every":  # what skips all of the application skips this, too
        known.take(record(*KEYS[:3], subject=SUBJECT._replace(tx_id=EVERY_TX)))
        used = known.begin(7, BLOCK)
        assert known.seal(7, BLOCK, used, was_logged=False)
        return
    failure: list[BaseException] = []

    def wait() -> object:
        try:
            return sealed(known)
        except FatalError as e:
            failure.append(e)
            return None

    thread, results = in_thread(wait)
    known.certified(7)  # the block itself says nothing about its results
    thread.join(0.1)
    assert thread.is_alive()
    if way == "closed":
        known.close()
    else:
        known.certified(8)
    thread.join(10)
    assert results == [True if way == "certified" else None]
    assert len(failure) == (way == "closed")


def test_a_record_of_one_transaction_ends_no_promise_about_all(tmp_path: Path) -> None:
    known = skips(tmp_path)
    known.begin(7, BLOCK)
    known.sign(SUBJECT._replace(tx_id=EVERY_TX), KEYS[0], 7)
    known.take(record(*KEYS[:3]))
    used = known.begin(7, BLOCK)
    thread, results = in_thread(lambda: known.seal(7, BLOCK, used, was_logged=False))
    thread.join(0.1)
    assert thread.is_alive()
    known.certified(9)
    thread.join(10)
    assert results == [True]


def test_records_of_a_block_are_bounded(tmp_path: Path) -> None:
    known = skips(tmp_path)
    for number in range(BLOCK_RECORDS_MAX):
        assert known.take(record(*KEYS[:3], subject=SUBJECT._replace(tx_id=bytes((number + 1,)) * 32)))
    refused("PARAMETER_INVALID", lambda: known.take(record(*KEYS[:3], subject=SUBJECT._replace(tx_id=EVERY_TX))))


@pytest.mark.parametrize("content", [b"", b"{}", record(*KEYS[:2]).encode(), record(*KEYS[:3], STRANGER).encode()])
def test_a_damaged_record_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "skips0").mkdir()
    (tmp_path / "skips0" / "7-stuck-x.record").write_bytes(content)
    with pytest.raises(FatalError, match=r"7-stuck-x\.record"):
        skips(tmp_path)


@given(steps=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["run", "sign", "crash"])), max_size=24))
def test_results_without_the_skip_and_its_record_never_both_have_a_quorum(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    """Four nodes in any order. `told`: whose consensus went on with results without the skip; it survives a crash."""
    folder = tmp_path_factory.mktemp("skips")
    nodes = [skips(folder, number) for number in range(4)]
    told, signed = [False] * 4, [False] * 4
    for each in nodes:
        each.begin(7, BLOCK)
    for number, step in steps:
        node = nodes[number]
        if step == "sign":
            try:
                node.sign(SUBJECT, KEYS[number], 8 if told[number] else 7)
                signed[number] = True
            except Rejected:
                pass
        elif step == "crash":
            nodes[number] = skips(folder, number)
            nodes[number].begin(7, BLOCK)
        elif node.executing is not None and not node.promised(7):
            told[number] = sealed(node) or told[number]
    assert not any(one and other for one, other in zip(told, signed, strict=True))
    assert not (sum(signed) >= 3 and sum(told) >= 3)
