"""Genesis: the facts every node of a chain starts from, as `genesis.json` and as the encoding whose hash is the chain id.

Flow: `make_genesis` (once, by the operators) → `genesis.json` in every home → `load_genesis` recomputes everything and refuses a file whose
facts do not lead to its own chain id, or whose applications are not the ones installed here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from hnnode_native import (
    NativeError,
    PageLayer,
    StateTree,
    ValidatorSet,
    account_of,
    encode_account_record,
    encode_genesis,
    genesis_chain_id,
    state_key,
    state_key_hash,
    state_value_hash,
)

from hnnode.config import Config, GatewayConfig, MetricsConfig, NetworkConfig, Peer
from hnnode.crypto.keys import generate_key, write_key_file
from hnnode.errors import ConfigError
from hnnode.execution import Host
from hnnode.execution.governance_records import SET_KEY, Code, genesis_set
from hnnode.packaging import NATIVE_NAMES
from hnnode.plugin_api.hooks import API_VERSION
from hnnode.primitives.genesis import ROLES
from hnnode.storage import Home

ROLE_NUMBERS = {name: number for number, name in ROLES.items()}
BLOCK_BYTES_MAX = 8 * 1024 * 1024
"""Of a new chain: some 7,000 transactions of a kibibyte, as many as a block under load holds of small ones."""
BLOCK_BYTES_UNSAID = 3 * 1024 * 1024
"""Of a genesis that names none."""
BLOCK_TX_COUNT_MAX = 10_000
VALID_BLOCKS_MAX = 1_000_000
GENESIS_FILE_BYTES_MAX = 64 * 1024 * 1024


class GenesisValidator(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    public_key: str
    power: int = 1


class GenesisAccountEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    public_key: str
    organisation: str
    roles: tuple[str, ...] = ()


class GenesisPlugin(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Code that runs from block 1 on; `code_hash`: 64 hex digits."""

    name: str
    version: str
    api_version: int
    state_version: int
    code_hash: str


class GenesisFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`genesis.json`. Keys are 130 hex digits; `applications` beside the native ones, and the code of each of them in
    `plugins`; `chain_id` is checked, not believed."""

    chain_name: str
    role: str
    time_ms: int
    validators: tuple[GenesisValidator, ...]
    accounts: tuple[GenesisAccountEntry, ...]
    applications: tuple[str, ...]
    plugins_hash: str
    plugins: tuple[GenesisPlugin, ...] | None = None
    block_bytes_max: int = BLOCK_BYTES_UNSAID
    block_tx_count_max: int = BLOCK_TX_COUNT_MAX
    valid_blocks_max: int = VALID_BLOCKS_MAX
    chain_id: str = ""


@dataclass(frozen=True, slots=True)
class GenesisAccount:
    """An account that may write from block 1 on."""

    public_key: bytes
    organisation: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortPlan:
    """First port of each kind; node i takes the i-th after it."""

    p2p: int = 30300
    http: int = 20200
    metrics: int = 26660


@dataclass(frozen=True, slots=True)
class Genesis:
    """A checked genesis. `writes` and `pages` are the rows of the genesis state; `names` by validator account."""

    file: GenesisFile
    encoding: bytes
    chain_id: bytes
    validators: ValidatorSet
    names: dict[bytes, str]
    state_root: bytes
    writes: tuple[tuple[bytes, bytes | None], ...]
    pages: PageLayer


def build_genesis(file: GenesisFile) -> Genesis:
    """Derive validator set, state and chain id from the readable facts. Raises ConfigError GENESIS_INVALID naming the field."""
    try:
        validators = ValidatorSet(0, [(bytes.fromhex(v.public_key), v.power) for v in file.validators])
        names = {account_of(bytes.fromhex(v.public_key)): v.name for v in file.validators}
        writes: list[tuple[bytes, bytes | None]] = []
        updates: list[tuple[bytes, bytes | None]] = []
        seen: set[bytes] = set()
        for entry in file.accounts:
            public_key = bytes.fromhex(entry.public_key)
            account = account_of(public_key)
            if account in seen:
                raise ConfigError("GENESIS_INVALID", f"accounts: {account.hex()} appears twice")
            seen.add(account)
            record = encode_account_record(public_key, True, 0, entry.organisation, sorted(entry.roles))
            writes.append((state_key("identity", account), record))
            updates.append((state_key_hash("identity", account), state_value_hash(record)))
        plugin_set = genesis_set(_codes(file))
        writes.append((state_key("governance", SET_KEY), plugin_set))
        updates.append((state_key_hash("governance", SET_KEY), state_value_hash(plugin_set)))
        root, pages = _state_root(updates)
        encoding = encode_genesis(
            file.chain_name,
            ROLE_NUMBERS[file.role],
            file.time_ms,
            validators.hash,
            bytes.fromhex(file.plugins_hash),
            root,
            file.block_bytes_max,
            file.block_tx_count_max,
            file.valid_blocks_max,
        )
    except (NativeError, ValueError, KeyError, OverflowError) as e:
        raise ConfigError("GENESIS_INVALID", f"genesis: {e}") from e
    return Genesis(file, encoding, genesis_chain_id(encoding), validators, names, root, tuple(sorted(writes)), pages)


def _codes(file: GenesisFile) -> dict[str, Code]:
    if file.plugins is None:
        raise ConfigError(
            "GENESIS_INVALID", "plugins: missing; a release without governance made this chain, begin a new one"
        )
    codes = {p.name: Code(p.version, p.api_version, p.state_version, p.code_hash) for p in file.plugins}
    wanted = set(file.applications) - NATIVE_NAMES
    if (
        len(codes) != len(file.plugins)
        or set(codes) != wanted
        or any(len(bytes.fromhex(c.code_hash)) != 32 for c in codes.values())
    ):
        raise ConfigError(
            "GENESIS_INVALID", f"plugins: want the code of each of {', '.join(sorted(wanted)) or 'no plugin'}"
        )
    return codes


def _state_root(updates: Sequence[tuple[bytes, bytes | None]]) -> tuple[bytes, PageLayer]:
    tree = StateTree(256 * 1024 * 1024)
    while needed := tree.apply_pairs(updates):
        tree.load([(page_id, None) for page_id in needed])
    return tree.root(), tree.changed_pages()


def make_genesis(
    *,
    chain_name: str,
    role: str,
    validators: Sequence[GenesisValidator],
    accounts: Sequence[GenesisAccount],
    applications: Sequence[str],
    time_ms: int | None = None,
) -> Genesis:
    """A new chain with the plugins installed here. Raises ConfigError for a missing plugin or invalid facts."""
    host = Host.load(applications)
    tables = host.applications.values()
    file = GenesisFile(
        chain_name=chain_name,
        role=role,
        time_ms=int(time.time() * 1000) if time_ms is None else time_ms,
        validators=tuple(validators),
        accounts=tuple(
            GenesisAccountEntry(a.public_key.hex(), a.organisation, tuple(sorted(a.roles))) for a in accounts
        ),
        applications=tuple(sorted(set(applications))),
        plugins_hash=host.plugins_hash().hex(),
        plugins=tuple(
            GenesisPlugin(t.name, t.version, API_VERSION, t.state_version, t.code_hash.hex()) for t in tables
        ),
        block_bytes_max=BLOCK_BYTES_MAX,
    )
    genesis = build_genesis(file)
    return build_genesis(msgspec.structs.replace(file, chain_id=genesis.chain_id.hex()))


def save_genesis(path: Path, genesis: Genesis) -> None:
    """Write `genesis.json` readably."""
    text = json.dumps(msgspec.to_builtins(genesis.file), ensure_ascii=False, indent=2)
    path.write_text(text + "\n", "utf-8")


def load_genesis(path: Path) -> Genesis:
    """Read and check `genesis.json`. Raises ConfigError GENESIS_INVALID with the file and what is wrong."""
    try:
        if path.stat().st_size > GENESIS_FILE_BYTES_MAX:
            raise ConfigError("GENESIS_INVALID", f"{path}: larger than {GENESIS_FILE_BYTES_MAX} bytes")
        file = msgspec.json.decode(path.read_bytes(), type=GenesisFile)
    except FileNotFoundError as e:
        raise ConfigError("GENESIS_INVALID", f"{path}: no such file") from e
    except (OSError, msgspec.DecodeError) as e:
        raise ConfigError("GENESIS_INVALID", f"{path}: {e}") from e
    genesis = build_genesis(file)
    if file.chain_id != genesis.chain_id.hex():
        raise ConfigError(
            "GENESIS_INVALID", f"{path}: chain_id: got {file.chain_id}, its facts give {genesis.chain_id.hex()}"
        )
    return genesis


# ------------------------------------------------------------------ node homes
def write_testnet(
    directory: Path,
    *,
    nodes: int,
    chain_name: str,
    role: str,
    applications: Sequence[str],
    accounts: Sequence[GenesisAccount],
    ports: PortPlan,
    host: str = "127.0.0.1",
) -> list[Path]:
    """Homes `node0 … node{n-1}` under `directory`, each with key, genesis and configuration; ready for `hnnode start`."""
    keys = [generate_key() for _ in range(nodes)]
    names = [f"node{i}" for i in range(nodes)]
    validators = [GenesisValidator(name, key.public_key().hex()) for name, key in zip(names, keys, strict=True)]
    genesis = make_genesis(
        chain_name=chain_name, role=role, validators=validators, accounts=accounts, applications=applications
    )
    peers = [
        Peer(name, key.public_key().hex(), host, ports.p2p + i)
        for i, (name, key) in enumerate(zip(names, keys, strict=True))
    ]
    homes = []
    for i, (name, key) in enumerate(zip(names, keys, strict=True)):
        home = Home(directory / name)
        home.create()
        config = Config(
            name=name,
            peers=tuple(p for p in peers if p.name != name),
            network=NetworkConfig(host=host, port=ports.p2p + i),
            gateway=GatewayConfig(host=host, port=ports.http + i),
            metrics=MetricsConfig(host=host, port=ports.metrics + i),
        )
        write_key_file(home.key, key)
        save_genesis(home.genesis, genesis)
        home.config.write_text(config_text(config), "utf-8")
        os.chmod(home.config, 0o600)
        homes.append(home.root)
    return homes


def config_text(config: Config) -> str:
    """`config.toml` of a node: what differs from the defaults, section by section."""
    defaults = msgspec.to_builtins(Config(name=config.name))
    values = msgspec.to_builtins(config)
    lines = [f"name = {json.dumps(config.name, ensure_ascii=False)}"]
    sections = []
    for key, value in values.items():
        if isinstance(value, dict):
            changed = {k: v for k, v in value.items() if v != defaults[key][k] or k in ("host", "port")}
            if changed:
                sections += ["", f"[{key}]", *(f"{k} = {json.dumps(v)}" for k, v in changed.items())]
        elif key not in ("name", "peers") and value != defaults[key]:
            lines.append(f"{key} = {json.dumps(value)}")
    for peer in config.peers:
        fields = msgspec.to_builtins(peer)
        sections += ["", "[[peers]]", *(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in fields.items())]
    return "\n".join(lines + sections) + "\n"
