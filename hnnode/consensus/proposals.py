"""Values: building an own one, judging a peer's, and resolving a decided one to its batches.

Validity follows one fixed order with one code each (native `check_value`, `check_value_batches`); a missing batch is never "invalid":
it is fetched, and until it is here there is no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from hnnode_native import (
    Accounts,
    Effect,
    Expected,
    NativeError,
    ValidatorSet,
    Value,
    build_value,
    check_value,
    check_value_batches,
    recheck_batches,
)

from hnnode.config import ConsensusConfig
from hnnode.errors import CODES, FatalError, PeerFault
from hnnode.ports import Batches, Clock, Decided, HeldBatch, ResultDifferences, Tip

T = TypeVar("T")

HEADER_PROPOSER = CODES["HEADER_PROPOSER"]
BATCH_LIST_INVALID = CODES["BATCH_LIST_INVALID"]
HEADER_RESULTS = CODES["HEADER_RESULTS"]
CLOCK_RECHECK_MS = 1_000
EMPTY_WAIT_S = 0.25
"""How long a proposer waits for a quorum to acknowledge a batch before it proposes an empty block."""


class Proposals:
    """One chain's values. The validator set is that of the running height."""

    def __init__(
        self,
        *,
        config: ConsensusConfig,
        chain_id: bytes,
        account: bytes,
        validators: ValidatorSet,
        accounts: Accounts,
        plugins_hash: Callable[[int], bytes],
        block_bytes_max: int,
        block_tx_count_max: int,
        batches: Batches,
        now_ms: Clock,
        hash_threads: ThreadPoolExecutor,
        differences: ResultDifferences,
    ) -> None:
        """plugins_hash: of the plugin set of a height, asked for heights up to the one after the tip.

        hash_threads: roots over thousands of transactions are computed there, not on the event loop."""
        self._config = config
        self._chain_id = chain_id
        self._account = account
        self._validators = validators
        self._accounts = accounts
        self._plugins_hash = plugins_hash
        self._bytes_max = block_bytes_max
        self._tx_count_max = block_tx_count_max
        self.batches = batches
        self._now_ms = now_ms
        self._hash_threads = hash_threads
        self.differences = differences
        self._woken = asyncio.Event()
        self._passed: tuple[bytes, bytes] | None = None
        """The value that passed last with its batches, and the block it stands on: when it is decided, it passes again."""

    def wake(self) -> None:
        """A batch became proposable."""
        self._woken.set()

    async def build(self, height: int, tip: Tip, *, must_wait: bool, tx_count_max: int | None = None) -> bytes:
        """An encoded value on top of `tip`.

        must_wait: nothing but batches is a reason for this block, so give them a moment. tx_count_max: a wish below the chain's limit."""
        tx_count_max = min(self._tx_count_max, tx_count_max or self._tx_count_max)
        deadline = asyncio.get_running_loop().time() + EMPTY_WAIT_S
        while True:
            self._woken.clear()
            chosen = await self._sound(
                self.batches.proposable(self._config.block_batches_max, self._bytes_max, tx_count_max)
            )
            left = deadline - asyncio.get_running_loop().time()
            if chosen or not must_wait or left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    await self._woken.wait()
            except TimeoutError:
                pass
        own = self._validators.hash
        return await self._in_thread(
            partial(
                build_value,
                self._chain_id,
                height,
                max(self._now_ms(), tip.time_ms + 1),
                self._account,
                tip.block_hash,
                own,
                own,
                self._plugins_hash(height),
                tip.receipts_root,
                tip.state_root,
                tip.outbox_root,
                [h.batch for h in chosen],
            )
        )

    async def _sound(self, chosen: list[HeldBatch]) -> list[HeldBatch]:
        """Without batches that a registration since has shown to be invalid: proposing them would cost the round."""
        codes = await self._in_thread(partial(recheck_batches, [h.batch for h in chosen], self._accounts))
        for held, code in zip(chosen, codes, strict=True):
            if code:
                self.batches.refuse(held.batch.digest, code)
        return [held for held, code in zip(chosen, codes, strict=True) if not code]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hash_threads, work)

    async def check(self, height: int, value: bytes, tip: Tip, sender: bytes) -> int:
        """First broken rule as a code, 0 when valid. Waits for missing batches and for the time of a header ahead of our clock.

        The answer depends on the value and on committed data alone, so that it is the same on every node; what depends on the round
        (does the header's proposer send it?) is the engine's check of the message. sender: who may be asked first for batches.
        """
        while True:
            code, wait_ms = check_value(value, self._expected(height, tip, clock=True))
            if not wait_ms:
                break
            # A header ahead of our clock is early, not invalid: no answer until it is due, the height may end before.
            await asyncio.sleep(min(wait_ms, CLOCK_RECHECK_MS) / 1000)
        if code == HEADER_RESULTS:
            header = Value.decode(value).header
            self.differences.notice(tip.height, (header.receipts_root, header.state_root), sender)
        if code:
            return code
        decoded = Value.decode(value)
        if self._validators.index_of(decoded.header.proposer) is None:
            return HEADER_PROPOSER
        references = decoded.batches
        last = dict(self.batches.last_seqs())
        if any(
            seq <= last.get(author, -1) or self._validators.index_of(author) is None for _, author, seq in references
        ):
            return BATCH_LIST_INVALID
        try:
            held = await self.batches.fetch([(d, a) for d, a, _ in references], sender, self._bytes_max)
        except PeerFault as fault:
            return fault.code
        expected = self._expected(height, tip, clock=False)
        code = await self._in_thread(partial(self._check_batches, value, expected, held))
        if not code:
            self._passed = (tip.block_hash, value)
        return code

    def _expected(self, height: int, tip: Tip, *, clock: bool) -> Expected:
        """clock: also that the header's time has come; not asked for decided values."""
        return Expected(
            self._chain_id,
            height,
            None,
            tip.block_hash,
            tip.time_ms,
            self._now_ms() if clock else None,
            self._config.clock_skew_ms_max,
            self._validators.hash,
            self._validators.hash,
            self._plugins_hash(height),
            tip.receipts_root,
            tip.state_root,
            tip.outbox_root,
            self._bytes_max,
            self._tx_count_max,
        )

    def check_decided(self, height: int, value: bytes, tip: Tip) -> int:
        """Rules for a block that a quorum already decided: all but proposer, clock and batches."""
        code, _ = check_value(value, self._expected(height, tip, clock=False))
        return code

    def _check_batches(self, value: bytes, expected: Expected, held: Sequence[HeldBatch]) -> int:
        return check_value_batches(
            value, expected, [h.batch for h in held], self._validators, self._accounts, self.batches.last_seqs()
        )

    async def resolve(self, effect: Effect, tip: Tip) -> Decided:
        """The decided block with its batches. A block that breaks a rule here although a quorum decided it stops the node."""
        try:
            value = Value.decode(effect.data)
        except NativeError as e:
            raise FatalError("INVALID_VALUE_DECIDED", f"height {effect.height}: {e}") from e
        header = value.header
        results = (header.receipts_root, header.state_root, header.outbox_root)
        own = (tip.receipts_root, tip.state_root, tip.outbox_root)
        if results != own:
            found = await self.differences.explain(tip.height, results[:2])
            raise FatalError(
                "STATE_ROOT_MISMATCH",
                f"results of height {tip.height}: got {[r.hex() for r in own]}, quorum has {[r.hex() for r in results]}: {found}",
            )
        expected = self._expected(effect.height, tip, clock=False)
        code, _ = check_value(effect.data, expected)
        held: list[HeldBatch] = []
        if not code:
            held = await self.batches.fetch([(d, a) for d, a, _ in value.batches], header.proposer, None)
        if not code and self._passed != (tip.block_hash, effect.data):
            code = await self._in_thread(partial(self._check_batches, effect.data, expected, held))
        if code:
            raise FatalError("INVALID_VALUE_DECIDED", f"height {effect.height}: rule {code} broken by a decided block")
        return Decided(
            effect.height,
            effect.block_hash,
            effect.data,
            effect.certificate,
            header.time_ms,
            header.proposer,
            tuple(held),
            sum(h.batch.tx_count for h in held),
        )
