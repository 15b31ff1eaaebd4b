"""The check before the node: decode and verify many bodies in one native call.

Invariant: only what the bytes alone decide is refused here (encoding, chain, signature of a known key). Everything that depends on the
state of the chain is the node's to say: duplicates, expiry, revoked and unknown accounts, quotas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hnnode_native import Accounts, DecodedTxs, Pool

from hnnode.errors import CODES
from hnnode.mempool.admission import CODE_BYTES, TX_DUPLICATE, Answer, unpack_codes
from hnnode.ports import Admission
from hnnode.proxy.delivery import LASTING

UNVERIFIED = TX_DUPLICATE
"""How a call marks what goes to the node without a look at its signature: the code that counts neither as taken nor as refused."""
REFUSED_HERE = LASTING | {CODES["BATCH_TOO_LARGE"]}
_BYTES_MAX = 1 << 40
_COUNT_MAX = 1 << 24
_FOREVER = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Screened(Admission):
    """What the sieve said, and after a forward the node. `frames` are those that go to the node, `good` their places, None for all."""

    frames: bytes = b""
    good: Sequence[int] | None = None


class Sieve:
    """An `Admit` (see `mempool.admission`) without a pool that lasts: codes are 0 for verified, UNVERIFIED, or a refusal."""

    def __init__(self, chain_id: Callable[[], bytes], accounts: Accounts) -> None:
        """chain_id: as learned from the nodes; asked only after it is known."""
        self._chain_id = chain_id
        self._accounts = accounts

    def __call__(self, bodies: list[bytes]) -> Answer:
        chain_id = self._chain_id()
        txs, counts = DecodedTxs.decode_frames_many(bodies, chain_id)
        # A pool for this call alone: its bounds hold nothing back, and at height 0 nothing expires or is too far ahead.
        pool = Pool(chain_id, _BYTES_MAX, _COUNT_MAX, _BYTES_MAX, 1, 1 << 20, _FOREVER, 1)
        codes, good = pool.admit_packed(txs, self._accounts, b"", 0)
        if good * CODE_BYTES != len(codes):
            codes = b"".join([_mark(code) for code in unpack_codes(codes)])
        return Answer(txs.tx_ids_packed(), codes, counts, 0)


def _mark(code: int) -> bytes:
    if code == TX_DUPLICATE:
        code = 0  # the same bytes twice in this call: verified
    elif code and code not in REFUSED_HERE:
        code = UNVERIFIED
    return code.to_bytes(CODE_BYTES, "big")
