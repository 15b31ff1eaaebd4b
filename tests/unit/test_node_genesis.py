"""Genesis and configuration: what is written loads, what was altered is refused with the file and the field."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from hnnode.config import Config, NetworkConfig, load_config
from hnnode.crypto.keys import generate_key
from hnnode.errors import ConfigError
from hnnode.node.genesis import (
    GenesisAccount,
    GenesisFile,
    GenesisValidator,
    PortPlan,
    build_genesis,
    config_text,
    load_genesis,
    make_genesis,
    save_genesis,
    write_testnet,
)
from hnnode.node.opening import check_frames


def some_genesis() -> GenesisFile:
    validators = [GenesisValidator(f"node{i}", generate_key().public_key().hex()) for i in range(4)]
    accounts = [GenesisAccount(generate_key().public_key(), "机构", ("writer", "admin"))]
    made = make_genesis(chain_name="hn_test", role="main", validators=validators, accounts=accounts, applications=[])
    return made.file


def test_saved_genesis_loads_to_the_same_chain(tmp_path: Path) -> None:
    genesis = build_genesis(some_genesis())
    save_genesis(tmp_path / "genesis.json", genesis)
    loaded = load_genesis(tmp_path / "genesis.json")
    assert (loaded.chain_id, loaded.state_root, loaded.writes) == (genesis.chain_id, genesis.state_root, genesis.writes)


def test_order_of_accounts_does_not_matter() -> None:
    file = some_genesis()
    entries = [
        *file.accounts,
        *(msgspec.structs.replace(file.accounts[0], public_key=generate_key().public_key().hex()) for _ in range(5)),
    ]
    one = build_genesis(msgspec.structs.replace(file, accounts=tuple(entries)))
    two = build_genesis(msgspec.structs.replace(file, accounts=tuple(reversed(entries))))
    assert one.chain_id == two.chain_id


@pytest.mark.parametrize(
    "change",
    [
        {"time_ms": 5},
        {"role": "village"},
        {"chain_name": "Not A Name"},
        {"chain_id": "00" * 32},
        {"validators": []},
        {"plugins_hash": "xx"},
        {"surprise": 1},
        {"block_bytes_max": -1},
        {"valid_blocks_max": 2**70},
    ],
)
def test_altered_genesis_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "genesis.json"
    save_genesis(path, build_genesis(some_genesis()))
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(ConfigError, match="GENESIS_INVALID"):
        load_genesis(path)


def test_a_new_chain_names_the_bytes_of_a_block_and_a_default_frame_holds_them() -> None:
    made = build_genesis(some_genesis())
    assert made.file.block_bytes_max == 8 << 20
    check_frames(made, NetworkConfig().frame_bytes_max)
    with pytest.raises(ConfigError, match="frame_bytes_max"):
        check_frames(made, 8 << 20)


def test_a_genesis_that_names_no_bytes_of_a_block_is_the_chain_that_it_was(tmp_path: Path) -> None:
    genesis = build_genesis(msgspec.structs.replace(some_genesis(), block_bytes_max=3 << 20))
    path = tmp_path / "genesis.json"
    save_genesis(path, build_genesis(msgspec.structs.replace(genesis.file, chain_id=genesis.chain_id.hex())))
    facts = json.loads(path.read_text("utf-8"))
    del facts["block_bytes_max"]
    path.write_text(json.dumps(facts), "utf-8")
    assert load_genesis(path).chain_id == genesis.chain_id


@pytest.mark.parametrize("key", ["", "04" + "00" * 64, "04" + "ff" * 64, "zz", "02" + "11" * 32])
def test_bad_keys_are_refused(key: str) -> None:
    file = some_genesis()
    with pytest.raises(ConfigError, match="GENESIS_INVALID"):
        build_genesis(msgspec.structs.replace(file, validators=(GenesisValidator("a", key), *file.validators)))
    entry = msgspec.structs.replace(file.accounts[0], public_key=key)
    with pytest.raises(ConfigError, match="GENESIS_INVALID"):
        build_genesis(msgspec.structs.replace(file, accounts=(entry,)))


def test_the_same_account_twice_is_refused() -> None:
    file = some_genesis()
    with pytest.raises(ConfigError, match="twice"):
        build_genesis(msgspec.structs.replace(file, accounts=(file.accounts[0], file.accounts[0])))


def test_missing_and_broken_files_name_themselves(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"genesis\.json: no such file"):
        load_genesis(tmp_path / "genesis.json")
    (tmp_path / "genesis.json").write_text("{", "utf-8")
    with pytest.raises(ConfigError, match=r"genesis\.json"):
        load_genesis(tmp_path / "genesis.json")


def test_testnet_homes_load_and_know_each_other(tmp_path: Path) -> None:
    homes = write_testnet(
        tmp_path, nodes=3, chain_name="hn_test", role="city", applications=[], accounts=[], ports=PortPlan()
    )
    configs = [load_config(home / "config.toml") for home in homes]
    assert [len(c.peers) for c in configs] == [2, 2, 2]
    assert len({c.network.port for c in configs}) == 3
    assert len({load_genesis(home / "genesis.json").chain_id for home in homes}) == 1
    for home in homes:
        assert (home / "node.key").stat().st_mode & 0o077 == 0


def test_config_text_round_trips_what_differs_from_the_defaults(tmp_path: Path) -> None:
    config = Config(name='quo"ted 名', log_level="debug")
    config = msgspec.structs.replace(config, mempool=msgspec.structs.replace(config.mempool, seal_ms=7))
    (tmp_path / "config.toml").write_text(config_text(config), "utf-8")
    assert load_config(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name = 1",
        'name = "a"\nunknown = 1',
        'name = "a"\n[mempool]\nseal_ms = 0',
        'name = "a"\n[network]\nport = 70000',
        "name =",
    ],
)
def test_bad_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"CONFIG_INVALID.*config\.toml"):
        load_config(tmp_path / "config.toml")
