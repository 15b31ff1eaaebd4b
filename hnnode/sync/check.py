"""What tells a lying peer from an honest one: everything about a fetched block that can be judged without the block before it."""

from __future__ import annotations

from hnnode_native import (
    Accounts,
    Batch,
    Expected,
    Header,
    NativeError,
    ValidatorSet,
    Value,
    check_value,
    plain_size,
    verify_batches,
    verify_certificate,
)

from hnnode.errors import CODES, PeerFault, Rejected, name_of
from hnnode.ports import SkipRecords
from hnnode.primitives.skip import decode_skips
from hnnode.sync.frames import BlockResponse

CONTENT_CODES = frozenset(
    CODES[name]
    for name in ("PROPOSAL_MALFORMED", "HEADER_VERSION", "BATCH_LIST_INVALID", "HEADER_BATCHES_ROOT", "HEADER_TX_ROOT")
)
"""Broken rules that show that what came with a certified header is not what was certified: the sender's fault, not ours."""


class BlockCheck:
    """`check` is for any thread."""

    def __init__(
        self,
        chain_id: bytes,
        validators: ValidatorSet,
        accounts: Accounts,
        block_bytes_max: int,
        skips: SkipRecords,
    ) -> None:
        """block_bytes_max: of the genesis, over the plain batches of a block."""
        self._skips = skips
        self._block_bytes_max = block_bytes_max
        self._chain_id = chain_id
        self._validators = validators
        self._accounts = accounts

    def check(self, response: BlockResponse) -> list[Batch]:
        """The batches of a block: certificate, batch list, digests, bodies and all signatures hold.

        Cost: about 2 µs a transaction of known senders, the GIL is free meanwhile. Raises PeerFault SYNC_PEER_FAULT."""
        height = response.height
        try:
            value = Value.decode(response.value)
        except NativeError as e:
            raise PeerFault("SYNC_PEER_FAULT", f"block {height}: {e}") from e
        code = verify_certificate(response.certificate, self._validators, self._chain_id, height, value.block_hash)
        if code:
            raise PeerFault("SYNC_PEER_FAULT", f"block {height}: certificate refused: {name_of(code)}")
        plain_bytes = sum(map(plain_size, response.batches))
        if len(response.batches) != len(value.batches) or plain_bytes > self._block_bytes_max:
            raise PeerFault(
                "SYNC_PEER_FAULT",
                f"block {height}: {len(response.batches)} batches of {plain_bytes} bytes, "
                f"want {len(value.batches)} of at most {self._block_bytes_max}",
            )
        try:
            batches = [Batch.unpack(data) for data in response.batches]
        except NativeError as e:
            raise PeerFault("SYNC_PEER_FAULT", f"block {height}: {e}") from e
        if [b.digest for b in batches] != [digest for digest, _, _ in value.batches]:
            raise PeerFault("SYNC_PEER_FAULT", f"block {height}: batches are not those of the value")
        code, _ = check_value(response.value, _claims_of(value.header))
        if code in CONTENT_CODES:
            raise PeerFault("SYNC_PEER_FAULT", f"block {height}: content is not the certified one: {name_of(code)}")
        # Accounts that the blocks between the tip and this one register are not known yet: what they signed is checked before execution.
        codes = verify_batches(batches, self._chain_id, self._validators, self._accounts, None)
        if any(codes):
            # The digest does not cover the author's signature, nor the bodies before their root is checked.
            raise PeerFault("SYNC_PEER_FAULT", f"block {height}: batches refused with codes {codes}")
        return batches

    def adopt_skips(self, response: BlockResponse) -> None:
        """Check all signatures of the skip records that came with a checked block, and keep them: without them this node would
        wait for the same answer as the validators did.

        Raises: PeerFault SYNC_PEER_FAULT. FatalError STORAGE_FAILED."""
        try:
            found = decode_skips(response.skips)
            self._skips.check(found, response.height, Value.decode(response.value).block_hash)
            self._skips.adopt(found)
        except Rejected as e:
            raise PeerFault("SYNC_PEER_FAULT", f"block {response.height}: {e}") from e


def _claims_of(header: Header) -> Expected:
    """What the header says itself, so that only the rules about its content can be broken; the others need the tip."""
    return Expected(
        header.chain_id,
        header.height,
        None,
        header.parent_hash,
        max(0, header.time_ms - 1),
        None,
        0,
        header.validators_hash,
        header.next_validators_hash,
        header.plugins_hash,
        header.receipts_root,
        header.state_root,
        header.outbox_root,
        0,
        0,
    )
