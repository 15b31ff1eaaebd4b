"""What the compiled core signs and hashes while it works, against the twin: batches, values, votes, proposals, receipts, write sets."""

from __future__ import annotations

from dataclasses import replace

import hnnode_native as native
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vectors import formats_twin as twin
from tests.vectors import sm_twin, trees_twin

CHAIN = b"c" * 32
AUTHOR, CLERK, OTHER = (native.SecretKey.generate(bytes([8, number]) + bytes(30)) for number in range(3))
VALIDATORS = native.ValidatorSet(0, [(AUTHOR.public_key(), 1)])
SET = twin.ValidatorSet.of(0, [(AUTHOR.public_key(), 1)])
RECORD = twin.AccountRecord(CLERK.public_key(), True, 0, "某单位", ("clerk",))
VALID_BLOCKS = 100


def accounts() -> native.Accounts:
    known = native.Accounts(1 << 20)
    known.load([(CLERK.account(), RECORD.encode())])
    return known


def signed_tx(nonce: int, action: str = "push", payload: bytes = b"{}", chain_id: bytes = CHAIN) -> bytes:
    """By the twin, but for the signature."""
    draft = twin.Tx(chain_id, CLERK.account(), nonce, 9, "demo", action, payload, bytes(64))
    return replace(draft, signature=CLERK.sign(draft.tx_id())).encode()


def seal(batch: twin.Batch, key: native.SecretKey = AUTHOR) -> twin.Batch:
    return replace(batch, author_signature=key.sign(batch.digest()))


def sealed(count: int = 3, seq: int = 4) -> twin.Batch:
    return seal(twin.Batch.of(CHAIN, AUTHOR.account(), seq, [signed_tx(nonce) for nonce in range(count)]))


# ---------------------------------------------------------------- batches and values


def test_the_pool_seals_what_the_page_says() -> None:
    pool = native.Pool(CHAIN, 1 << 24, 10_000, 1 << 24, 4_096, 1 << 20, VALID_BLOCKS, 10)
    txs = [signed_tx(nonce) for nonce in range(5)]
    decoded = native.DecodedTxs.decode(txs, CHAIN)
    assert decoded.tx_ids() == [twin.Tx.decode(tx).tx_id() for tx in txs]
    assert pool.admit(decoded, accounts(), bytes(5), 0) == [0] * 5
    core = pool.seal(AUTHOR, 4)
    assert core is not None
    batch = twin.Batch.decode(core.data)
    batch.check(CHAIN, AUTHOR.public_key())
    assert sorted(batch.txs) == sorted(txs)
    assert batch == seal(twin.Batch.of(CHAIN, AUTHOR.account(), 4, batch.txs))
    assert core.digest == batch.digest()


def test_batches_are_verified_alike() -> None:
    good = sealed()
    foreign = twin.Batch.of(CHAIN, AUTHOR.account(), 4, [signed_tx(1, chain_id=b"d" * 32)])
    unsigned = twin.Tx.decode(good.txs[0])
    forged = twin.Batch.of(
        CHAIN, AUTHOR.account(), 4, [replace(unsigned, signature=OTHER.sign(unsigned.tx_id())).encode()]
    )
    cases = {
        "": good,
        "WRONG_CHAIN": seal(replace(good, chain_id=b"d" * 32)),
        "BATCH_AUTHOR_UNKNOWN": seal(replace(good, author=OTHER.account()), OTHER),
        "BATCH_SIGNATURE_INVALID": seal(good, OTHER),
        "BATCH_ROOT_MISMATCH": seal(replace(good, txs_root=b"r" * 32)),
        "BATCH_TX_INVALID": seal(foreign),
    }
    for name, batch in cases.items():
        core = native.Batch.decode(batch.encode())
        code = native.CODES[name] if name else 0
        assert native.verify_batches([core], CHAIN, VALIDATORS, accounts(), None) == [code], name
        if not name:
            batch.check(CHAIN, AUTHOR.public_key())
            continue
        with pytest.raises(trees_twin.FormatError):
            batch.check(CHAIN, AUTHOR.public_key())
    batch = native.Batch.decode(seal(forged).encode())
    verdict = native.verify_batches([batch], CHAIN, VALIDATORS, accounts(), None)
    assert verdict == [native.CODES["BATCH_TX_INVALID"]]


def test_no_byte_of_a_batch_may_change() -> None:
    data = sealed(1).encode()
    known = accounts()
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        try:
            core = native.Batch.decode(changed)
        except native.NativeError as error:
            decoded = error.code
        else:
            decoded = 0
            assert native.verify_batches([core], CHAIN, VALIDATORS, known, None) != [0], place
        try:
            batch = twin.Batch.decode(changed)
        except trees_twin.FormatError:
            assert decoded == native.CODES["BATCH_MALFORMED"], place
        else:
            assert decoded == 0, place
            with pytest.raises(trees_twin.FormatError):
                batch.check(CHAIN, AUTHOR.public_key())


def built_value(batches: list[twin.Batch]) -> bytes:
    empty, cores = trees_twin.block_root([]), [native.Batch.decode(batch.encode()) for batch in batches]
    return native.build_value(
        CHAIN, 3, 4_000, AUTHOR.account(), b"p" * 32, SET.hash(), SET.hash(), b"g" * 32, empty, b"s" * 32, empty, cores
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_values_are_built_as_the_page_says(count: int) -> None:
    batches = [sealed(size + 1, seq=size) for size in range(count)]
    empty = trees_twin.block_root([])
    header = twin.Header(
        CHAIN,
        3,
        4_000,
        AUTHOR.account(),
        b"p" * 32,
        trees_twin.block_root([batch.digest() + batch.author + batch.seq.to_bytes(8, "big") for batch in batches]),
        trees_twin.block_root([tx_id for batch in batches for tx_id in batch.tx_ids()]),
        SET.hash(),
        SET.hash(),
        b"g" * 32,
        empty,
        b"s" * 32,
        empty,
    )
    value = twin.Value(header, tuple((batch.digest(), batch.author, batch.seq) for batch in batches))
    assert built_value(batches) == value.encode()


# ---------------------------------------------------------------- votes and proposals


def signed_in(messages: list[bytes], statement: bytes) -> bool:
    """Whether some message carries a signature of the author over the statement; how messages are framed is not looked at."""
    for message in messages:
        windows = [message[start : start + 64] for start in range(len(message) - 63)]
        count = len(windows)
        if 0 in native.verify_batch([AUTHOR.public_key()] * count, [statement] * count, windows):
            return True
    return False


def test_the_engine_signs_what_the_page_says() -> None:
    """A lone validator goes through one height; every statement is made by the twin and found signed in what is sent."""
    engine = native.Engine(CHAIN, AUTHOR, 0, 1_000, 100, 1_000, 100, 1_000, 10_000)
    effects = engine.replay([]) + engine.start(3, VALIDATORS, [])
    assert [(effect.height, effect.round) for effect in effects if effect.kind == "get_value"] == [(3, 0)]
    value = built_value([sealed()])
    block_hash = twin.Value.decode(value).header.hash()
    effects += engine.propose(3, 0, value)
    for effect in [each for each in effects if each.kind == "validate"]:
        assert effect.block_hash == block_hash
        effects += engine.validity(3, block_hash, True)
    sent = [effect.data for effect in effects if effect.kind == "send"]
    assert signed_in(sent, twin.proposal_bytes(CHAIN, 3, 0, None, block_hash))
    for kind in (twin.PREVOTE, twin.PRECOMMIT):
        assert signed_in(sent, twin.vote_bytes(CHAIN, kind, 3, 0, block_hash))
        assert not signed_in(sent, twin.vote_bytes(CHAIN, kind, 3, 0, None))
    assert not signed_in(sent, twin.proposal_bytes(CHAIN, 3, 0, 0, block_hash))
    (decision,) = [effect for effect in effects if effect.kind == "decide"]
    assert (decision.block_hash, decision.data) == (block_hash, value)
    certificate = twin.Certificate.decode(decision.certificate)
    certificate.check(SET, CHAIN, 3, block_hash)
    assert certificate.encode() == decision.certificate


@settings(deadline=None, max_examples=20)
@example(7, 0, trees_twin.ZERO)
@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 32) - 1), st.binary(min_size=32, max_size=32))
def test_certificates_made_by_the_twin_hold(height: int, round_: int, block_hash: bytes) -> None:
    vote = twin.vote_bytes(CHAIN, twin.PRECOMMIT, height, round_, block_hash)
    certificate = twin.Certificate(CHAIN, height, round_, block_hash, 1, ((0, AUTHOR.sign(vote)),))
    code = native.verify_certificate(certificate.encode(), VALIDATORS, CHAIN, height, block_hash)
    if block_hash == trees_twin.ZERO:  # votes for nil decide nothing
        assert code == native.CODES["CERTIFICATE_BLOCK"]
        with pytest.raises(trees_twin.FormatError):
            certificate.check(SET, CHAIN, height, block_hash)
    else:
        assert code == 0
        certificate.check(SET, CHAIN, height, block_hash)


# ---------------------------------------------------------------- execution

entries = st.dictionaries(st.binary(min_size=1, max_size=6), st.none() | st.binary(max_size=20), max_size=5)
events = st.lists(st.tuples(st.just("demo.pushed"), st.text("é件a", max_size=5), st.just(b'{"n":1}')), max_size=3)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(entries, events, st.integers(0, 1 << 40)), min_size=1, max_size=3))
def test_receipts_and_write_sets(
    outcomes: list[tuple[dict[bytes, bytes | None], list[tuple[str, str, bytes]], int]],
) -> None:
    """A block of Python transactions with these writes and events: the twin writes the same receipts and the same root."""
    batch = native.Batch.decode(sealed(len(outcomes)).encode())
    table = native.DispatchTable([("demo", "push", ["clerk"])])
    block = native.BlockExecution(CHAIN, 3, 4_000, AUTHOR.account(), VALID_BLOCKS, [batch], accounts(), table)
    block.set_committed(bytes(len(outcomes)))
    block.supply([None] * len(block.native_keys()))
    block.run_native()
    ((application, group),) = block.foreign_groups()
    assert [tx_id for _, tx_id, *_ in group] == batch.tx_ids()
    results = [
        (index, 0, "", work, sorted(writes.items()), raised) for index, (writes, raised, work) in enumerate(outcomes)
    ]
    block.complete(application, native.pack_results(results))
    result = block.finish()
    expected = []
    for tx_id, (writes, raised, work) in zip(batch.tx_ids(), outcomes, strict=True):
        digest = twin.write_set_digest([("demo", key, value) for key, value in sorted(writes.items())])
        expected.append(twin.Receipt(tx_id, 0, "", work, digest, tuple(raised)).encode())
    assert list(result.receipts) == expected
    assert result.receipts_root == trees_twin.block_root(expected)
    assert result.outbox_root == trees_twin.block_root([])
    tree = native.StateTree(1 << 20)
    while missing := tree.apply(result):
        tree.load([(page, None) for page in missing])
    state: dict[bytes, bytes | None] = {}
    for writes, _, _ in outcomes:
        state |= writes
    assert tree.root() == trees_twin.state_root(
        {
            trees_twin.state_key_hash("demo", key): trees_twin.state_value_hash(value)
            for key, value in state.items()
            if value is not None
        }
    )


def test_the_native_evidence_has_receipts_of_the_page() -> None:
    """One preserved record: its write set, event and receipt as the core makes them, decoded and hashed by the twin."""
    payload = b'{"algorithm":"sm3","hash":"' + b"ab" * 32 + b'"}'
    draft = twin.Tx(CHAIN, CLERK.account(), 1, 9, "evidence", "preserve", payload, bytes(64))
    tx = replace(draft, signature=CLERK.sign(draft.tx_id()))
    assert sm_twin.verify(CLERK.public_key(), tx.tx_id(), tx.signature)
    batch = native.Batch.decode(seal(twin.Batch.of(CHAIN, AUTHOR.account(), 1, [tx.encode()])).encode())
    known = native.Accounts(1 << 20)
    known.load([(CLERK.account(), RECORD.encode())])
    block = native.BlockExecution(
        CHAIN, 3, 4_000, AUTHOR.account(), VALID_BLOCKS, [batch], known, native.DispatchTable([])
    )
    block.set_committed(b"\0")
    block.supply([None] * len(block.native_keys()))
    block.run_native()
    result = block.finish()
    (encoded,) = result.receipts
    receipt = twin.Receipt.decode(encoded)
    assert (receipt.tx_id, receipt.code, receipt.rule) == (tx.tx_id(), 0, "")
    writes = []
    for key, value in sorted(result.writes):
        size = key[0]
        writes.append((key[1 : 1 + size].decode(), key[1 + size :], value))
        assert native.state_key(*writes[-1][:2]) == key
    assert writes
    assert receipt.write_set_digest == twin.write_set_digest(writes)
    assert result.receipts_root == trees_twin.block_root([encoded])
