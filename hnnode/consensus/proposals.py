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
)

from hnnode.config import ConsensusConfig
from hnnode.errors import FatalError
from hnnode.ports import Batches, Clock, Decided, HeldBatch, Tip

T = TypeVar("T")

FUTURE_WAIT_MS_MAX = 10_000
"""A header from a clock ahead of ours is waited for up to this long, then refused."""
EMPTY_WAIT_S = 0.25
"""How long a proposer waits for a quorum to acknowledge a batch before it proposes an empty block."""


class Proposals:
    """One chain's values. `plugins_hash` and the validator set are those of the running height."""

    def __init__(
        self,
        *,
        config: ConsensusConfig,
        chain_id: bytes,
        account: bytes,
        validators: ValidatorSet,
        accounts: Accounts,
        plugins_hash: bytes,
        block_bytes_max: int,
        block_tx_count_max: int,
        batches: Batches,
        now_ms: Clock,
        hash_threads: ThreadPoolExecutor,
    ) -> None:
        """hash_threads: roots over thousands of transactions are computed there, not on the event loop."""
        self._config = config
        self._chain_id = chain_id
        self._account = account
        self._validators = validators
        self._accounts = accounts
        self._plugins_hash = plugins_hash
        self._bytes_max = block_bytes_max
        self._tx_count_max = block_tx_count_max
        self._batches = batches
        self._now_ms = now_ms
        self._hash_threads = hash_threads
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A batch became proposable."""
        self._woken.set()

    async def build(self, height: int, tip: Tip, *, must_wait: bool) -> bytes:
        """An encoded value on top of `tip`. must_wait: nothing but batches is a reason for this block, so give them a moment."""
        deadline = asyncio.get_running_loop().time() + EMPTY_WAIT_S
        while True:
            self._woken.clear()
            chosen = self._batches.proposable(self._config.block_batches_max, self._bytes_max, self._tx_count_max)
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
                self._plugins_hash,
                tip.receipts_root,
                tip.state_root,
                tip.outbox_root,
                [h.batch for h in chosen],
            )
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hash_threads, work)

    async def check(self, height: int, value: bytes, tip: Tip, proposer: bytes, *, fresh: bool) -> int:
        """First broken rule as a code, 0 when valid. Waits for missing batches and for a clock slightly ahead."""
        expected = self._expected(height, tip, proposer if fresh else None)
        code, wait_ms = check_value(value, expected)
        if code and 0 < wait_ms <= FUTURE_WAIT_MS_MAX:
            await asyncio.sleep(wait_ms / 1000)
            expected = self._expected(height, tip, proposer if fresh else None)
            code, _ = check_value(value, expected)
        if code:
            return code
        references = Value.decode(value).batches
        held = await self._batches.fetch([(digest, author) for digest, author, _ in references], proposer)
        return await self._in_thread(partial(self._check_batches, value, expected, held))

    def _expected(self, height: int, tip: Tip, proposer: bytes | None) -> Expected:
        """proposer None: a value that f+1 honest nodes made sure of, so proposer and clock are not asked."""
        return Expected(
            self._chain_id,
            height,
            proposer,
            tip.block_hash,
            tip.time_ms,
            None if proposer is None else self._now_ms(),
            self._config.clock_skew_ms_max,
            self._validators.hash,
            self._validators.hash,
            self._plugins_hash,
            tip.receipts_root,
            tip.state_root,
            tip.outbox_root,
            self._bytes_max,
            self._tx_count_max,
        )

    def check_decided(self, height: int, value: bytes, tip: Tip) -> int:
        """Rules for a block that a quorum already decided: all but proposer, clock and batches."""
        code, _ = check_value(value, self._expected(height, tip, None))
        return code

    def _check_batches(self, value: bytes, expected: Expected, held: Sequence[HeldBatch]) -> int:
        return check_value_batches(
            value, expected, [h.batch for h in held], self._validators, self._accounts, self._batches.last_seqs()
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
            raise FatalError(
                "STATE_ROOT_MISMATCH",
                f"results of height {tip.height}: got {[r.hex() for r in own]}, quorum has {[r.hex() for r in results]}",
            )
        expected = self._expected(effect.height, tip, None)
        code, _ = check_value(effect.data, expected)
        held: list[HeldBatch] = []
        if not code:
            held = await self._batches.fetch([(d, a) for d, a, _ in value.batches], header.proposer)
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
