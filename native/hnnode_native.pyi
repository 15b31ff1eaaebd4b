"""Compiled core of hnnode. Nothing here but `PageFiles` reads a clock, a file or a socket; long calls release the GIL.

Byte shapes: hash = 32 bytes, account = 20, public key = 65 (`04 || x || y`), signature = 64 (`r || s`). Formats: docs/reference/formats.md.
A wrong length or a malformed encoding raises `NativeError`, whose `code` is the number of docs/reference/errors.md; a refused item of a
batch is a code in the answer, never an exception.
"""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, NoReturn, Protocol

VERSION: str
CODES: dict[str, int]
"""Error names and their numbers, as the compiled core uses them."""
LIMITS: dict[str, int]
"""Protocol limits: tx_bytes_max, payload_bytes_max, batch_tx_count_max, batch_body_bytes_max, value_batch_count_max, ..."""

class NativeError(Exception):
    """Raised for the caller's faults; `code` is the stable number, `args[0]` the text."""

    code: int

# ---------------------------------------------------------------- crypto

def sm3(data: bytes) -> bytes: ...
def sm3_batch(messages: Sequence[bytes]) -> list[bytes]: ...
def hmac_sm3(key: bytes, data: bytes) -> bytes: ...
def tagged_hash(tag: str, data: bytes) -> bytes: ...
def sm4_gcm_seal(key: bytes, nonce: bytes, aad: bytes, plain: bytes) -> bytes: ...
def sm4_gcm_open(key: bytes, nonce: bytes, aad: bytes, sealed: bytes) -> bytes: ...

class Sm3:
    """Incremental SM3 for files."""

    def __init__(self) -> None: ...
    def update(self, data: bytes) -> None: ...
    def digest(self) -> bytes: ...

class SecretKey:
    """SM2 private key; never printed, wiped when dropped."""

    @staticmethod
    def generate(seed: bytes) -> SecretKey:
        """Derive a key from 32 random bytes (the caller's `os.urandom(32)`)."""
    @staticmethod
    def from_pem(pem: str, passphrase: str | None = None) -> SecretKey: ...
    def to_pem(self) -> str: ...
    def to_encrypted_pem(self, passphrase: str, salt: bytes, iv: bytes, rounds: int) -> str: ...
    def public_key(self) -> bytes: ...
    def account(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...
    def sign_batch(self, messages: Sequence[bytes]) -> list[bytes]: ...

def public_key_from_pem(pem: str) -> bytes: ...
def public_key_to_pem(public_key: bytes) -> str: ...
def account_of(public_key: bytes) -> bytes: ...
def verify(public_key: bytes, message: bytes, signature: bytes) -> bool: ...
def verify_batch(public_keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> bytes:
    """One status byte an item: 0 valid, 1 bad signature, 2 out of range, 3 bad key."""

def verify_with_hint(public_key: bytes, message: bytes, signature: bytes) -> tuple[int, int]:
    """Status as in `verify_batch`, and the hint for `verify_batch_hinted`: 0 or 1, without meaning unless the status is 0."""

def verify_batch_hinted(
    public_keys: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes], hints: bytes
) -> bytes:
    """The statuses of `verify_batch`, without tables of the keys: for thousands of signatures that were valid before.

    hints: one byte 0 or 1 an item, what `verify_with_hint` of this node gave. A wrong hint costs time and changes no status.
    At most 100,000 items; NativeError when counts differ or a byte is neither 0 nor 1.
    """

# ---------------------------------------------------------------- formats

def encode_tx_body(
    chain_id: bytes, sender: bytes, nonce: int, valid_until_height: int, application: str, action: str, payload: bytes
) -> bytes: ...
def sign_tx(key: SecretKey, body: bytes) -> tuple[bytes, bytes]:
    """Returns (tx_id, signed transaction)."""

def build_txs(
    key: SecretKey,
    chain_id: bytes,
    nonce_start: int,
    valid_until_height: int,
    application: str,
    action: str,
    payloads: Sequence[bytes],
) -> list[tuple[bytes, bytes]]:
    """Encode and sign many transactions on all cores: [(tx_id, signed transaction)], nonces rising from `nonce_start`."""

class Tx:
    """A decoded signed transaction."""

    @staticmethod
    def decode(data: bytes) -> Tx: ...
    tx_id: bytes
    chain_id: bytes
    sender: bytes
    nonce: int
    valid_until_height: int
    application: str
    action: str
    payload: bytes
    signature: bytes

class Header:
    @staticmethod
    def decode(data: bytes) -> Header: ...
    block_hash: bytes
    chain_id: bytes
    height: int
    time_ms: int
    proposer: bytes
    parent_hash: bytes
    batches_root: bytes
    tx_root: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    plugins_hash: bytes
    receipts_root: bytes
    state_root: bytes
    outbox_root: bytes

class Value:
    """Header and batch references: what consensus agrees on."""

    @staticmethod
    def decode(data: bytes) -> Value: ...
    header: Header
    header_bytes: bytes
    block_hash: bytes
    batches: list[tuple[bytes, bytes, int]]
    """(batch digest, author, seq)"""

class Receipt:
    @staticmethod
    def decode(data: bytes) -> Receipt: ...
    tx_id: bytes
    code: int
    rule: str
    steps: int
    write_set_digest: bytes
    events: list[tuple[str, str, bytes]]
    """(name, entity, data)"""

class ValidatorSet:
    def __init__(self, epoch: int, validators: Sequence[tuple[bytes, int]]) -> None:
        """validators: (public key, power), any order."""
    @staticmethod
    def decode(data: bytes) -> ValidatorSet: ...
    def encode(self) -> bytes: ...
    hash: bytes
    epoch: int
    quorum: int
    total_power: int
    validators: list[tuple[bytes, bytes, int]]
    """(account, public key, power), ascending by account"""
    def index_of(self, account: bytes) -> int | None: ...

class Certificate:
    @staticmethod
    def decode(data: bytes) -> Certificate: ...
    height: int
    round: int
    block_hash: bytes
    signers: list[int]

def verify_certificate(
    certificate: bytes, validators: ValidatorSet, chain_id: bytes, height: int, block_hash: bytes
) -> int:
    """0 when valid, otherwise the code (5020-5025)."""

def encode_genesis(
    chain_name: str,
    role: int,
    time_ms: int,
    validators_hash: bytes,
    plugins_hash: bytes,
    state_root: bytes,
    block_bytes_max: int,
    block_tx_count_max: int,
    valid_blocks_max: int,
) -> bytes: ...
def genesis_chain_id(genesis: bytes) -> bytes: ...
def encode_account_record(
    public_key: bytes, active: bool, since_height: int, organisation: str, roles: Sequence[str]
) -> bytes: ...
def decode_account_record(record: bytes) -> tuple[bytes, bool, int, str, list[str]]: ...
def plugins_hash(entries: Sequence[tuple[str, str, int, int, bytes, str, str, bytes]]) -> bytes:
    """entries: (plugin, version, api_version, state_version, code_hash, application, action, schema_hash), any order."""

def native_actions() -> list[tuple[str, str, list[str], str]]:
    """Actions built into the core: (application, action, roles, JSON schema)."""

def empty_root() -> bytes:
    """Block tree root of an empty list."""

# ---------------------------------------------------------------- merkle

def block_root(leaves: Sequence[bytes]) -> bytes: ...
def block_proof(leaves: Sequence[bytes], index: int) -> bytes: ...
def verify_inclusion(proof: bytes, data: bytes, root: bytes) -> bool: ...
def state_key_hash(application: str, key: bytes) -> bytes: ...
def state_value_hash(value: bytes) -> bytes: ...
def verify_state_proof(proof: bytes, root: bytes, key_hash: bytes, value: bytes | None) -> bool: ...

class StateTree:
    """Sparse Merkle tree of the state; pages come from and go to the database."""

    def __init__(self, cache_bytes_max: int) -> None: ...
    def missing(self, key_hashes: Sequence[bytes]) -> list[bytes]:
        """Page ids to load for `apply` or `prove` of these keys, some of them guesses; empty when all are loaded."""
    def load(self, pages: Sequence[tuple[bytes, bytes | None]]) -> None: ...
    def apply(self, updates: BlockResult) -> list[bytes]:
        """Apply a block's updates. Returns the page ids to load first (nothing changed then), or [] when done."""
    def apply_from(self, updates: BlockResult, source: PageSource) -> None:
        """As `apply`, with the pages that are needed from `source`. Raises NativeError with the code of STORAGE_FAILED or
        STORAGE_CORRUPT."""
    def apply_pairs(self, updates: Sequence[tuple[bytes, bytes | None]]) -> list[bytes]:
        """As `apply`, from (key hash, value hash or None to delete)."""
    def changed_pages(self) -> PageLayer:
        """Pages that the last `apply` wrote or deleted."""
    cache_bytes: int
    """Of the cached pages; waits for an update that runs. The GIL is free meanwhile."""
    def root(self) -> bytes: ...
    def prove(self, key_hash: bytes) -> bytes | list[bytes]:
        """The state proof, or the page ids to load first."""

class PageLayer:
    """Pages that changed together; of several with one id the last counts. No page is empty."""

    def __init__(self, pages: Sequence[tuple[bytes, bytes | None]]) -> None: ...
    def __len__(self) -> int: ...
    byte_count: int
    def rows(self, start: int = 0, count: int = ...) -> list[tuple[bytes, bytes | None]]:
        """(page id, page or None when it is gone), ascending: all, or `count` from `start`."""

class PageLayers:
    """Changed pages that wait to be written; never changes. Any thread."""

    byte_count: int
    def __init__(self) -> None: ...
    def __len__(self) -> int:
        """Layers, at most 64."""
    def with_layer(self, layer: PageLayer) -> PageLayers: ...
    def merged(self) -> PageLayer:
        """Every changed page once."""

class PageFiles:
    """The pages of one height in files; never changes. Any thread. Errors carry the code of STORAGE_CORRUPT or STORAGE_FAILED."""

    height: int | None
    byte_count: int
    def __init__(self, directory: str | PathLike[str], height: int | None) -> None:
        """The files that hold the tree of a height, none for None; others are deleted."""
    def __len__(self) -> int:
        """Files."""
    def with_layers(self, changed: PageLayers, height: int) -> PageFiles:
        """These files and one with what changed since, or a new base alone, when what changed since the last one is more than half of it
        and it is not much longer than what is written. Durable on return; the files that are replaced stay until `discard`."""
    def merge(self, through: int) -> PageMerge | None:
        """Files of heights up to `through` that are to become one, None when nothing is due: all, when what changed is more than
        half of the base, else those from which on the later ones together are no shorter."""
    def taking(self, merged: MergedFile) -> PageFiles:
        """This set with a merged file in the place of those it was made of; as it is when it does not have them all."""
    def has(self, merged: MergedFile) -> bool:
        """Whether the merged file is one of these."""
    def discard(self, later: PageFiles) -> None:
        """Delete the files that a later set does not have; who reads this one keeps them open."""

class PageSource:
    """The pages of one height: layers that wait, newest first, over files. Never changes. Any thread. Errors as of `PageFiles`."""

    def __init__(self, files: PageFiles, *layers: PageLayers) -> None: ...
    def taking(self, merged: MergedFile) -> PageSource:
        """The same over `PageFiles.taking`."""
    def read(self, page_ids: Sequence[bytes]) -> list[bytes | None]:
        """Each page from the newest layer that changed it, the rest from files; None for one that the tree does not have."""

class PageMerge:
    """Page files that become one, a mebibyte a step."""

    def step(self) -> MergedFile | None:
        """Write some more; the file when it is whole and durable. Never again after a failure."""
    def stop(self) -> None:
        """Give up, and delete what was written."""

class MergedFile:
    """What a merge made."""

    def discard(self) -> None:
        """Delete it: it came too late to take the place of others."""

class TxIndex:
    """Where committed transactions stand: newest ids in memory, all others in segments whose rows are the database's.

    One thread writes, for each block: `seal`, `merge` while `wanted`, the rows into the database, `written`, `add`. Any thread searches.
    Errors carry the code of STORAGE_CORRUPT: rows that are missing, damaged or do not follow one another.
    """

    next_height: int
    """The height that `add` takes next; after a start, the first that no segment holds."""
    counts: tuple[int, int]
    """Segments, and ids that are in none yet."""
    filter_bytes: int
    """Bytes of filters in memory."""

    def __init__(
        self,
        salt: bytes,
        rows: Sequence[tuple[bytes, bytes]],
        filter_bytes_max: int,
        segment_ids: int = 65_536,
        segment_blocks: int = 65_536,
    ) -> None:
        """salt: 80 random bytes, kept with the rows. rows: every row of a segment (kind 3); others are passed over."""
    def add(self, height: int, receipts_packed: bytes) -> None:
        """Take up the receipts of a block that decide their transaction: all but TX_DUPLICATE and ACCOUNT_UNKNOWN."""
    def seal(self) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        """(ranges of keys to delete, rows to put) of a new segment; nothing when it is too early for one."""
    def wanted(self) -> list[bytes]:
        """Keys of the rows for `merge`; [] when the block has done its share."""
    def merge(self, rows: Sequence[bytes | None]) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]: ...
    def written(self) -> None:
        """Ranges and rows are in the database."""
    def search(self, tx_ids_packed: bytes) -> TxSearch: ...

class TxSearch:
    """`step`, rows of the database, `supply`, until nothing is wanted; then `flags` or `places`."""

    def step(self) -> list[bytes]: ...
    def supply(self, rows: Sequence[bytes | None]) -> None: ...
    def flags(self) -> bytes:
        """One byte an id: 1 when it is committed."""
    def places(self) -> list[tuple[int, int] | None]:
        """(height, index in its block)"""

def build_bundle(
    genesis: bytes,
    validators: bytes,
    headers: Sequence[bytes],
    certificate: bytes,
    items: Sequence[tuple[int, int, bytes, bytes, bytes, bytes]],
) -> bytes:
    """items: (kind, header index, a, b, c, proof); kind 1: a = signed tx; kind 2: a = receipt; kind 3: a = application, b = key, c = value,
    absent when kind is 4 (encoded as kind 3 with present = 0)."""

class BundleReport:
    chain_id: bytes
    chain_name: str
    heights: list[int]
    block_hashes: list[bytes]
    times_ms: list[int]
    signer_count: int
    validator_count: int
    signer_power: int
    total_power: int
    txs: list[tuple[int, int, bytes]]
    """(height, tx index, signed transaction)"""
    receipts: list[tuple[int, int, bytes]]
    """(height of the transaction, tx index, receipt)"""
    states: list[tuple[int, str, bytes, bytes | None]]
    """(height after which it holds, application, key, value or None)"""

def verify_bundle(bundle: bytes, chain_id: bytes | None = None) -> BundleReport:
    """Raises NativeError with code 5101-5106 or 5020-5025."""

# ---------------------------------------------------------------- data plane

class Accounts:
    """Registered accounts of the state; shared by pool and execution."""

    def __init__(self, key_cache_bytes_max: int) -> None: ...
    def load(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """(account, account record) pairs; they are the whole table from now on."""
    def add(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """As `load`, beside what the table holds already."""
    def apply(self, result: BlockResult) -> None: ...
    def get(self, account: bytes) -> bytes | None: ...
    def count(self) -> int: ...

class Batch:
    @staticmethod
    def decode(data: bytes) -> Batch: ...
    @staticmethod
    def unpack(data: bytes) -> Batch:
        """A batch as it travels and rests: packed, or plain. `packed` then gives the same bytes again."""
    @staticmethod
    def unpack_many(data: Sequence[bytes]) -> list[Batch | int]:
        """`unpack` of each, or the code that refuses it. Together they are decoded faster than one by one."""
    digest: bytes
    author: bytes
    seq: int
    tx_count: int
    size: int
    """Bytes of the whole batch."""
    data: bytes
    packed: bytes
    """As it travels and rests in the batch log. The first time about 0.5 ms for 1,000 transactions, unless it was sealed here or came
    packed; the GIL is free meanwhile."""
    def tx_ids(self) -> list[bytes]: ...
    def tx_ids_packed(self) -> bytes:
        """`tx_ids` joined, 32 bytes each."""
    def tx(self, index: int) -> bytes:
        """Signed transaction."""
    def valid_until_max(self) -> int:
        """Highest `valid_until_height` of its transactions: after it nothing in here can be included."""

def unpack_batch(data: bytes) -> bytes:
    """Plain bytes of a batch that may be packed; allocates no more than the longest batch."""

def plain_size(data: bytes) -> int:
    """Bytes that unpacking this batch would take, by its own claim, which `unpack_batch` holds it to. Unpacks nothing."""

def pack_receipts(row: bytes, batches: Sequence[Batch]) -> bytes:
    """Plain row of a block's receipts (`u32 count || count x u32 end || receipts`) without what its batches tell. 0.3 us a receipt."""

def unpack_receipts(packed: bytes, batches: Sequence[bytes]) -> bytes:
    """The plain row again. batches: plain bytes, in order. 0.3 us a receipt, the GIL is free meanwhile. NativeError STORAGE_CORRUPT."""

def unpack_receipt(packed: bytes, tx_counts: Sequence[int], batch: bytes, index: int) -> bytes | None:
    """Receipt `index` of one batch, None past its end. tx_counts: of the batches before it; batch: its plain bytes."""

def verify_batches(
    batches: Sequence[Batch], chain_id: bytes, validators: ValidatorSet, accounts: Accounts, pool: Pool | None
) -> list[int]:
    """Codes, 0 = valid. Signatures of transactions that `pool` admitted itself are not verified twice. The signatures of all batches are
    verified together: give all that wait in one call."""

def recheck_batches(batches: Sequence[Batch], accounts: Accounts) -> list[int]:
    """Verify the transactions whose sender was unknown when their batch came and is known now: 0, or BATCH_TX_INVALID."""

def set_threads(count: int) -> None:
    """Threads over which calls of more than 4,096 signatures or 1 MiB to hash are cut; without it RAYON_NUM_THREADS, else one a core.
    Once, before any such call: NativeError PARAMETER_INVALID when the threads run already or `count` is not 1-1,024."""

def ids_among(joined: bytes, ids: Sequence[bytes]) -> list[bytes]:
    """Those of `ids` (32 bytes each) that stand in `joined`, in its order. Cost: one look-up for each id of `joined`."""

def frame_count(data: bytes, count_max: int) -> int | None:
    """Frames in repeated `u32 length || bytes`; None for broken framing or more than `count_max`."""

class DecodedTxs:
    """Transactions decoded once, at the door."""

    @staticmethod
    def decode(items: Sequence[bytes], chain_id: bytes) -> DecodedTxs: ...
    @staticmethod
    def decode_frames(data: bytes, chain_id: bytes) -> DecodedTxs:
        """data: repeated `u32 length || signed transaction`; raises NativeError when the framing itself is broken."""
    @staticmethod
    def decode_frames_many(
        bodies: Sequence[bytes], chain_id: bytes, personal: PersonalScan | None = None
    ) -> tuple[DecodedTxs, list[int]]:
        """Many bodies of `decode_frames` as one object, their items behind each other, and the count of items of each body: -1 and no item
        where the framing is broken. The bounds of one call hold for each body by itself. At most 65,536 bodies of 64 MiB together.
        personal: looks the payloads through; `Pool.admit` answers PERSONAL_DATA where it found something."""
    @staticmethod
    def concat(parts: Sequence[DecodedTxs]) -> DecodedTxs:
        """Many submissions as one, their items behind each other, so that one `admit` verifies all. Bounds as `decode_frames_many`."""
    def __len__(self) -> int: ...
    def tx_ids(self) -> list[bytes]:
        """32 zero bytes where decoding failed."""
    def tx_ids_packed(self) -> bytes:
        """`tx_ids` joined, 32 bytes each."""
    def codes(self) -> list[int]: ...
    def personal(self) -> list[tuple[int, str, str]]:
        """(place, kind, field) of what `personal` found, ascending; of the first 256. field: "" when it has no plain name."""

class PersonalScan:
    """Looks for numbers of people in the texts of payloads: as `plugin_api.ids.find_personal`, but for digits among 32 or more
    hexadecimal ones. Full-width forms and escapes are read; JSON numbers are no texts. Cost: 0.05-0.1 us a payload without one."""

    def __init__(self, exempt: Sequence[tuple[str, str, Sequence[str]]] = ()) -> None:
        """exempt: (application, action, fields of its payload) that are not looked at."""
    def find(self, application: str, action: str, payload: bytes) -> tuple[str, str] | None:
        """(kind, field) of the first number."""
    def find_in_tx(self, tx: bytes) -> tuple[str, str] | None:
        """As `find`, of a signed transaction; None for what is none."""
    @staticmethod
    def find_in_text(text: str) -> str | None:
        """Kind of the first number in a text."""

class Pool:
    def __init__(
        self,
        chain_id: bytes,
        pool_bytes_max: int,
        pool_tx_count_max: int,
        account_bytes_max: int,
        batch_tx_count_max: int,
        batch_bytes_max: int,
        valid_blocks_max: int,
        requeue_blocks: int,
    ) -> None: ...
    def admit(self, txs: DecodedTxs, accounts: Accounts, committed: bytes, height: int) -> list[int]:
        """Codes, 0 = admitted. committed: one byte an item, 1 = already on chain. height: last committed height."""
    def admit_packed(self, txs: DecodedTxs, accounts: Accounts, committed: bytes, height: int) -> tuple[bytes, int]:
        """As `admit`: (big-endian u32 codes joined, how many are 0)."""
    def seal(self, author: SecretKey, seq: int) -> Batch | None: ...
    def on_commit(self, height: int, batches: Sequence[Batch], accounts: Accounts) -> None: ...
    def requeue(self, digest: bytes) -> None:
        """Return the transactions of an own batch that can never be committed to the queue; unknown digests change nothing."""
    def status(self, tx_id: bytes) -> str:
        """unknown | pending | sealed"""
    def sealed_in(self, tx_id: bytes) -> bytes | None: ...
    def drain_dropped(self) -> list[tuple[bytes, int]]: ...
    def bytes_used(self) -> int: ...
    def count(self) -> int:
        """Waiting to be sealed."""
    def fills_batch(self) -> bool:
        """Whether what waits to be sealed fills a batch, in transactions or in bytes."""
    def verified_count(self) -> int:
        """Signature verifications done by `admit` and `verify_batches` with this pool, since start."""

def build_value(
    chain_id: bytes,
    height: int,
    time_ms: int,
    proposer: bytes,
    parent_hash: bytes,
    validators_hash: bytes,
    next_validators_hash: bytes,
    plugins_hash: bytes,
    receipts_root: bytes,
    state_root: bytes,
    outbox_root: bytes,
    batches: Sequence[Batch],
) -> bytes: ...

class Expected:
    """What the node knows about the block that a value wants to become; `proposer` and `now_ms` are None for a re-proposal."""

    def __init__(
        self,
        chain_id: bytes,
        height: int,
        proposer: bytes | None,
        parent_hash: bytes,
        parent_time_ms: int,
        now_ms: int | None,
        clock_skew_ms_max: int,
        validators_hash: bytes,
        next_validators_hash: bytes,
        plugins_hash: bytes,
        receipts_root: bytes,
        state_root: bytes,
        outbox_root: bytes,
        block_bytes_max: int,
        block_tx_count_max: int,
    ) -> None: ...

def check_value(value: bytes, expected: Expected) -> tuple[int, int]:
    """(first broken rule as a code 5001-5014, or 0; milliseconds after which a header ahead of our clock may be checked again)."""

def check_value_batches(
    value: bytes,
    expected: Expected,
    batches: Sequence[Batch],
    validators: ValidatorSet,
    accounts: Accounts,
    last_seqs: Sequence[tuple[bytes, int]],
) -> int:
    """The rules that need the batches: digests, authors, rising seqs above `last_seqs` (author, seq), totals, transaction root, and the
    signatures of transactions whose account was unknown when the batch came."""

# ---------------------------------------------------------------- execution

class DispatchTable:
    """The applications of a chain: the native ones and `foreign` (application, action, roles) served by Python plugins."""

    def __init__(
        self,
        foreign: Sequence[tuple[str, str, Sequence[str]]],
        closed: Sequence[tuple[str, int]] = ...,
        governance: ValidatorSet | None = ...,
    ) -> None:
        """closed: (application, code of every transaction to it). governance: whose votes count; without it the application `governance`
        is left out.
        """

_ResultRow = tuple[int, int, str, int, list[tuple[bytes, bytes | None]], list[tuple[str, str, bytes]]]

def pack_results(results: list[_ResultRow]) -> bytes:
    """results: (tx_index, code, rule, steps, writes (key, value or None), events (name, entity, data)). Packed results may be joined."""

def unpack_results(packed: bytes) -> list[_ResultRow]:
    """The rows, writes in key order. Raises NativeError RESULT_INVALID for broken bytes."""

def results_match(packed: bytes, tx_indices: Sequence[int]) -> bool:
    """Whether these are well-formed results of just these transactions, in this order. What they hold is not judged."""

class _BlockReader(Protocol):
    def get(self, key: bytes, /) -> bytes | None: ...
    def scan(self, prefix: bytes, after: bytes | None, limit: int, /) -> list[tuple[bytes, bytes]]: ...
    def foreign(self, application: str, key: bytes, /) -> bytes | None: ...
    def sender(self, account: bytes, /) -> tuple[str, tuple[str, ...]]: ...

class TxContext:
    """The transaction that a plugin's handler handles. One object serves a whole block: it stands at one transaction after the other, so a
    handler does not keep it.
    """

    def __init__(
        self,
        height: int,
        block_time_ms: int,
        values: dict[bytes, bytes | None],
        limits: Mapping[str, int],
        reader: _BlockReader,
        reads: frozenset[str],
        encode: Callable[[Any], bytes],
        encode_plain: Callable[[Any], bytes],
        declared: Mapping[str, tuple[Callable[[bytes], Any], Mapping[str, int] | None, int]],
        refused: type[BaseException],
    ) -> None: ...
    @property
    def height(self) -> int:
        """Of the block."""
    @property
    def block_time_ms(self) -> int:
        """Of the block."""
    @property
    def tx_id(self) -> bytes:
        """32 bytes."""
    @property
    def sender(self) -> bytes:
        """Account, 20 bytes."""
    @property
    def organisation(self) -> str:
        """Name under which the sender is registered."""
    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the sender, ascending."""
    def get(self, key: bytes, /) -> bytes | None:
        """Value as of this point of the block, or None."""
    def scan(self, prefix: bytes, limit: int, after: bytes | None = None) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (1 to 200) rows whose key starts with `prefix` and is greater than `after`, ascending, as of this point of the
        block. Each row given, and each deleted key passed over, is a step."""
    def foreign(self, application: str, key: bytes) -> bytes | None:
        """Value of another application's key, as the block before left it; the application is declared with `Registry.reads`."""
    def put(self, key: bytes, value: bytes) -> None:
        """Write a value of at most 64 KiB under a key of at most 256 bytes."""
    def delete(self, key: bytes) -> None:
        """Remove a key; removing an absent one is allowed."""
    def emit(self, name: str, entity: str, data: Any) -> None:
        """Add an event; `entity` is what it is about, such as a batch id. `data` is a mapping or a Struct and becomes canonical JSON with
        sorted keys."""
    def require(self, rule_id: str, condition: bool) -> None:
        """Refuse the transaction under a registered rule unless the condition holds."""
    def fail(self, rule_id: str) -> NoReturn:
        """Refuse the transaction under a registered rule."""
    def _begin(self, tx_id: bytes, sender: bytes) -> None: ...
    def _commit(self, tx_index: int) -> None: ...
    def _refuse(self, tx_index: int, code: int, rule: str) -> None: ...
    @property
    def _result_count(self) -> int: ...
    @property
    def _steps(self) -> int: ...
    @property
    def _packed_bytes(self) -> int: ...
    def _take(self) -> bytes: ...

class BlockExecution:
    def __init__(
        self,
        chain_id: bytes,
        height: int,
        time_ms: int,
        proposer: bytes,
        valid_blocks_max: int,
        batches: Sequence[Batch],
        accounts: Accounts,
        dispatch: DispatchTable,
    ) -> None: ...
    def tx_ids(self) -> list[bytes]: ...
    def tx_ids_packed(self) -> bytes:
        """`tx_ids` joined, 32 bytes each."""
    def set_committed(self, flags: bytes) -> None: ...
    def prove_absent(self, tree: StateTree, source: PageSource) -> None:
        """Leave out of `native_keys` what the tree, at the block before, shows to be absent; pages of it that are not loaded come from
        `source`. Between set_committed and supply. Raises NativeError as `StateTree.apply_from`."""
    def native_keys(self) -> list[bytes]:
        """State keys (database form, see `state_key`) the native handlers will read or write."""
    def supply(self, values: Sequence[bytes | None]) -> None: ...
    def migrate(
        self,
        application: str,
        writes: Sequence[tuple[bytes, bytes | None]],
        rows: int,
        *,
        cursor: bytes | None = ...,
        reached: int | None = ...,
        fault: str | None = ...,
    ) -> None:
        """The page of the migration that runs, between `supply` and `run_native`; exactly one of the last three says how it ended: more
        rows behind `cursor`, the pass is over (and leads to state version `reached`), or it cannot go on.
        """
    def run_native(self) -> None: ...
    def foreign_groups(self) -> list[tuple[str, list[tuple[int, bytes, bytes, str, bytes]]]]:
        """[(application, [(tx_index, tx_id, sender, action, payload)])] in block order."""
    def complete(self, application: str, packed: bytes) -> None:
        """packed: `pack_results` of all transactions of the group, in order."""
    def is_open(self, application: str) -> bool:
        """Whether it is a plugin's application that takes transactions now."""
    def complete_due(self, application: str, packed: bytes) -> None:
        """packed: results of the application's due items, numbered from 0, after those of its transactions."""
    def finish(self) -> BlockResult: ...

class BlockResult:
    receipts_root: bytes
    outbox_root: bytes
    tx_ids: list[bytes]
    tx_ids_packed: bytes
    """`tx_ids` joined, 32 bytes each."""
    receipts: list[bytes]
    receipts_packed: bytes
    """The row of storage: u32 count || count x u32 end || receipts, big-endian; ends count from the first receipt."""
    codes: list[int]
    failed: list[tuple[int, int]]
    """(tx index, code) of the receipts whose code is not 0."""
    succeeded_count: int
    failed_count: int
    def written(self, application: str, key: bytes) -> bytes | None:
        """The value that this block gave a key; None when it did not write it, or deleted it."""
    writes: Sequence[tuple[bytes, bytes | None]]
    """(database state key, value or None), made one at a time while they are read."""
    update_count: int
    due_count: int
    """Items of due work that left a receipt in the state."""

def plugin_vote_message(chain_id: bytes, proposal: bytes, approve: bool) -> bytes:
    """The 32 bytes that a validator signs to vote on a proposal, given as governance writes it (JSON).

    Raises: NativeError PARAMETER_INVALID: it is not.
    """

def state_key(application: str, key: bytes) -> bytes:
    """Database form: `u8 length || application || key`."""

# ---------------------------------------------------------------- consensus

class Effect:
    """One thing the host must do. Fields that a kind does not use are empty, zero or None.

    log(data) · barrier() · send(to = account or None for all, data) · set_timer(timer_id, generation, ms) · cancel_timer(timer_id)
    get_value(height, round) · validate(height, round, block_hash, data = value, to = proposer, pol_round = -1 when fresh)
    decide(height, round, block_hash, data = value, certificate) · evidence(data) · peer_fault(to, code) · reserve_sign_floor(height)
    halt(code, reason)
    """

    kind: str
    data: bytes
    certificate: bytes
    to: bytes | None
    height: int
    round: int
    pol_round: int
    block_hash: bytes
    timer_id: int
    generation: int
    ms: int
    code: int
    reason: str

class Engine:
    """Consensus of one chain: inputs in, effects out. After a `halt` effect every call raises NativeError."""

    def __init__(
        self,
        chain_id: bytes,
        key: SecretKey | None,
        sign_floor: int,
        propose_ms: int,
        propose_step_ms: int,
        vote_ms: int,
        vote_step_ms: int,
        rebroadcast_ms: int,
        cap_ms: int,
    ) -> None: ...
    def replay(self, records: Sequence[bytes]) -> list[Effect]:
        """Feed the consensus log and end the replay."""
    def start(self, height: int, validators: ValidatorSet, demoted: Sequence[bytes]) -> list[Effect]: ...
    def messages(self, items: Sequence[tuple[bytes, bytes]]) -> list[Effect]:
        """(peer account, message) pairs."""
    def propose(self, height: int, round: int, value: bytes) -> list[Effect]: ...
    def validity(self, height: int, block_hash: bytes, valid: bool) -> list[Effect]: ...
    def timer(self, timer_id: int, generation: int) -> list[Effect]: ...
    def synced(self, height: int, value: bytes, certificate: bytes) -> list[Effect]: ...
    def peer_behind(self, peer: bytes, height: int, round: int) -> list[Effect]: ...
    def stats(self) -> dict[str, int | str]:
        """height, round, step, signing (0 or 1), verified (signatures), votes, future_messages, stalled_ticks, text (what it waits for)"""
    height: int
    round: int

def message_height(message: bytes) -> int | None:
    """Height a consensus message speaks about, without checking anything else."""

def proposer(height: int, round: int, validators: ValidatorSet, demoted: Sequence[bytes]) -> bytes:
    """Account that proposes first at (height, round)."""

def record_height(record: bytes) -> int | None:
    """Height of a consensus log record."""

def simulate(seed_start: int, count: int, profile: str) -> dict[str, int | str | None]:
    """Run seeds of the consensus simulator: profile mixed, crash, twins, liar, rotate or sm2.

    Keys: seeds, failures, first_failure (seed or None), report, trace (hash over all traces), decisions. The same arguments give the same
    answer on every machine.
    """

# ---------------------------------------------------------------- measurements

BENCH_FIELDS: list[str]

def crypto_kernel() -> str:
    """Kernel of this process: portable, scalar, avx2 or ifma. HN_CRYPTO_KERNEL forces one; a missing one is an ImportError."""

def crypto_kernels() -> list[str]:
    """Kernels of this processor, narrowest first."""

def bench(fields: Sequence[str], seconds: float, threads: int, state_keys: int) -> dict[str, float]:
    """Measure fields of BENCH_FIELDS in loops of the compiled core, `seconds` each, in a pool of `threads`.

    state_keys: keys in the tree of state_tree_updates_per_s. Raises NativeError when a field is unknown or a number out of bounds.
    """
