"""A node's home directory: where each file stands, and who may read it.

    config.toml  genesis.json  node.key  sign.state  lock
    skips/           skip records and what this node's key promised about blocks
    data/database/   RocksDB: blocks, receipts, state; in `pages`, files with the pages of the state tree
    data/blocks/     redo log: the blocks that the database does not hold in files yet
    data/batches/    append-only segments of transaction batches
    data/consensus/  segments of the consensus log

`sign.state` and `skips` stand beside the key on purpose: who copies or restores one sees the others.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from hnnode.errors import ConfigError
from hnnode.storage.failure import STORAGE
from hnnode.storage.files import NETWORK_FILESYSTEMS, filesystem_type, make_directory


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one node home; nothing is touched until a method says so."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def genesis(self) -> Path:
        return self.root / "genesis.json"

    @property
    def key(self) -> Path:
        return self.root / "node.key"

    @property
    def sign_state(self) -> Path:
        return self.root / "sign.state"

    @property
    def skips(self) -> Path:
        return self.root / "skips"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def database(self) -> Path:
        return self.data / "database"

    @property
    def differences(self) -> Path:
        """What differed when another node came to other results of a block."""
        return self.data / "differences"

    @property
    def blocks(self) -> Path:
        return self.data / "blocks"

    @property
    def batches(self) -> Path:
        return self.data / "batches"

    @property
    def consensus(self) -> Path:
        return self.data / "consensus"

    def create(self) -> None:
        """Make the directories, readable by the owner only. The parent of the home must exist."""
        with STORAGE:
            for path in (self.root, self.data, self.database, self.blocks, self.batches, self.consensus):
                make_directory(path)

    def check(self) -> None:
        """Refuse a home that is missing, lies on a network file system, or whose key others may read.

        Raises ConfigError: PREREQUISITE_MISSING (9006), CONFIG_INVALID (9001), KEY_FILE_PERMISSIONS (2005).
        """
        if not self.root.is_dir():
            raise ConfigError(
                "PREREQUISITE_MISSING", f"{self.root}: no such home (run `hnnode init` or `hnnode testnet` first)"
            )
        kind = filesystem_type(self.root)
        if kind in NETWORK_FILESYSTEMS:
            raise ConfigError(
                "CONFIG_INVALID", f"{self.root}: file system is {kind}, want a local one (fsync and locks must hold)"
            )
        if self.key.exists():
            check_key_permissions(self.key)


def check_key_permissions(path: Path) -> None:
    """Raises ConfigError KEY_FILE_PERMISSIONS (2005) when group or others have any right on the key file."""
    with STORAGE:
        mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError("KEY_FILE_PERMISSIONS", f"{path}: mode is {mode:03o}, want 600 (run `chmod 600 {path}`)")
