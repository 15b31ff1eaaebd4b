"""RocksDB settings of the node: bounded memory, files and threads. Figures behind them: decision 0011.

- `raw_mode` always: the default mode pickles values.
- Atomic flush: all column families reach their files together, so a crash leaves an older height and not a mixture.
- Keys that are hashes arrive in no order, so every file of such a family overlaps every other: universal compaction
  rewrites them less often than levels do. Keys that rise (heights, segments) hardly overlap, and levels move their files
  without rewriting.
- State packs well, because it repeats names; receipts are packed before they come here, entries of the transaction index
  are hashes.
- Whole-key bloom filters, in memory and in files, stand where keys are looked up that are often absent: the records of a
  new transaction.
"""

from __future__ import annotations

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompactionStyle,
    DBCompressionType,
    Options,
    Rdict,
    UniversalCompactOptions,
    WriteBufferManager,
)

from hnnode.config import StorageConfig
from hnnode.storage.layout import FAMILIES

OPEN_FILES_MAX = 256
BACKGROUND_JOBS_MAX = 2
_TABLE_FILE_BYTES = 64 * 1024 * 1024
_ARENA_BYTES_MAX = 256 * 1024
_LOG_BYTES_MAX = 4 * 1024 * 1024
_PACKED = frozenset({"meta", "blocks"})
_PACKED_WELL = frozenset({"state"})
_ZSTD_LEVEL = -1
_ROW_BLOCK_BYTES = 16 * 1024
"""Of a family that is packed well: rows of state repeat names and zeros, and more of them beside each other pack better."""
_HASH_KEYED = frozenset({"state"})
_FILTERED = _HASH_KEYED | {"batch_index"}
ROOM = 16
"""RocksDB itself switches memtables at so many write buffers, which is never: who writes the families says when, and holds
rows and pages of twice the write buffer each at most. A switch in between would leave files without their tree."""
_MEMTABLE_BLOOM_RATIO = 0.02 / ROOM
_RUNS_MAX = 8
"""Sorted runs of a hash-keyed family before some are merged: each costs a look-up one filter, each merge writes rows
again."""


def database_options(buffer: WriteBufferManager) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_atomic_flush(True)
    options.set_allow_concurrent_memtable_write(False)  # there is one writer
    options.set_paranoid_checks(True)
    options.set_max_background_jobs(BACKGROUND_JOBS_MAX)
    options.set_max_subcompactions(1)
    options.set_max_file_opening_threads(1)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_write_buffer_manager(buffer)
    # Spread the kernel's write-back over time, else the fsync of a block pays for everybody's pages.
    options.set_bytes_per_sync(1024 * 1024)
    options.set_max_log_file_size(_LOG_BYTES_MAX)
    options.set_keep_log_file_num(2)
    options.set_max_manifest_file_size(16 * 1024 * 1024)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options


def family_options(config: StorageConfig) -> dict[str, Options]:
    cache = Cache(config.cache_bytes)
    return {name: _family(name, cache, config) for name in FAMILIES}


def _family(name: str, cache: Cache, config: StorageConfig) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_format_version(5)
    options = Options(raw_mode=True)
    if name in _PACKED_WELL:
        table.set_block_size(_ROW_BLOCK_BYTES)
    if name in _FILTERED:
        table.set_bloom_filter(10, False)
    if name in _HASH_KEYED:
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(_MEMTABLE_BLOOM_RATIO)
        options.set_compaction_style(DBCompactionStyle.universal())
        options.set_universal_compaction_options(_universal())
        options.set_level_zero_file_num_compaction_trigger(_RUNS_MAX)
    options.set_block_based_table_factory(table)
    if name in _PACKED_WELL:
        options.set_compression_type(DBCompressionType.zstd())
        options.set_compression_options(-14, _ZSTD_LEVEL, 0, 0)
    else:
        options.set_compression_type(DBCompressionType.lz4() if name in _PACKED else DBCompressionType.none())
    options.set_write_buffer_size(ROOM * config.write_buffer_bytes)
    options.set_max_write_buffer_number(3)
    # Six families share the write buffer: what each allocates at first must not fill it.
    options.set_arena_block_size(max(4096, min(_ARENA_BYTES_MAX, config.write_buffer_bytes // 64)))
    options.set_target_file_size_base(_TABLE_FILE_BYTES)
    options.set_level_compaction_dynamic_level_bytes(True)
    return options


def _universal() -> UniversalCompactOptions:
    options = UniversalCompactOptions()
    options.min_merge_width = 4
    options.size_ratio = 10
    return options


def tune(family: Rdict) -> None:
    """What can be set on an open family only."""
    family.set_options({"check_flush_compaction_key_order": "false"})
