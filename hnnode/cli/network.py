"""`hnnode testnet`, `init`, `genesis`: node homes before their first start.

On one machine `testnet` does everything. Across organisations each runs `init` (its key never leaves its host), one
of them runs `genesis` with
the public keys, and every home gets that file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from hnnode_native import account_of

from hnnode.bench.localnet import LocalNet, shifted_base
from hnnode.cli import words
from hnnode.cli.key import save_key
from hnnode.cli.language import say, two
from hnnode.cli.options import HomeOption, OutputOption
from hnnode.cli.output import Format, columns, emit, grid
from hnnode.cli.session import node_home
from hnnode.config import Config, NetworkConfig, Peer
from hnnode.crypto import read_key_file, read_public_key_file, write_key_file
from hnnode.crypto.keys import generate_key
from hnnode.errors import ConfigError
from hnnode.primitives.genesis import ROLES
from hnnode.storage.home import Home

if TYPE_CHECKING:  # opening these rooms takes time that most verbs need not spend
    from hnnode.bench.people import Person
    from hnnode.node.genesis import GenesisAccount, GenesisValidator, PortPlan

NODES_MAX = 16
DEFAULT_APPLICATIONS = "evidence,coldchain"

NodesOption = Annotated[int, typer.Option("--nodes", "-n", min=1, max=NODES_MAX, help=two("节点数", "number of nodes"))]
PluginsOption = Annotated[
    str,
    typer.Option(
        "--plugins", metavar="A,B", help=two("启用的应用，逗号分隔", "applications to enable, separated by commas")
    ),
]


def applications_of(text: str) -> list[str]:
    return sorted({name.strip() for name in text.split(",") if name.strip()})


def free_ports(nodes: int) -> PortPlan:
    """The usual ports, shifted where one of them is busy."""
    from hnnode.node.genesis import PortPlan

    usual = PortPlan()
    return PortPlan(
        p2p=shifted_base(usual.p2p, nodes),
        http=shifted_base(usual.http, nodes),
        metrics=shifted_base(usual.metrics, nodes),
    )


def make_homes(
    directory: Path, nodes: int, chain_name: str, role: str, applications: Sequence[str], people: Sequence[Person]
) -> list[Path]:
    """Write genesis, configuration and node keys of a local network, and the people's keys under `keys/`. Returns
    the homes.
    """
    from hnnode.node.genesis import GenesisAccount, write_testnet

    accounts = [GenesisAccount(p.key.public_key(), p.organisation, p.roles) for p in people]
    homes = write_testnet(
        directory,
        nodes=nodes,
        chain_name=chain_name,
        role=role,
        applications=applications,
        accounts=accounts,
        ports=free_ports(nodes),
    )
    keys = directory / "keys"
    keys.mkdir(mode=0o700)
    for someone in people:
        save_key(keys / f"{someone.name}.pem", someone.key, None)
    return homes


def make_testnet(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help=two("新目录", "folder to make"))] = Path(
        "hn-testnet"
    ),
    nodes: NodesOption = 4,
    plugins: PluginsOption = DEFAULT_APPLICATIONS,
    chain_name: Annotated[str, typer.Option("--chain", help=two("链名", "name of the chain"))] = "hn_local",
    role: Annotated[
        str, typer.Option("--role", metavar="main|relay|city", help=two("链的角色", "role of the chain"))
    ] = "city",
    output: OutputOption = Format.table,
) -> None:
    from hnnode.bench.people import one_for_each_role

    if directory.exists() and any(directory.iterdir()):
        raise ConfigError("CONFIG_INVALID", say(f"{directory} 不是空目录", f"{directory} is not empty"))
    _check_role(role)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    applications = applications_of(plugins)
    homes = make_homes(directory, nodes, chain_name, role, applications, one_for_each_role(applications))
    show_network(LocalNet.of(homes), directory, output)


def show_network(net: LocalNet, directory: Path, output: Format) -> None:
    """The map of ports and where the keys are."""
    rows = [
        {
            "name": node.name,
            "home": str(node.home),
            "p2p": f"{node.config.network.host}:{node.config.network.port}",
            "http": node.url,
            "metrics": node.metrics_url,
        }
        for node in net.nodes
    ]
    titles = [say("节点", "node"), say("目录", "home"), "p2p", "HTTP", say("指标", "metrics")]
    data = {"directory": str(directory), "key_dir": str(directory / "keys"), "nodes": rows}
    emit(output, data, lambda: columns(titles, [list(row.values()) for row in rows]))


_PEER = re.compile(r"([^=@]{1,64})=([0-9a-fA-F]{130})@(\[[0-9a-fA-F:]+\]|[^:@]+):([0-9]{1,5})", re.ASCII)


def init(
    name: Annotated[str, typer.Option("--name", help=two("节点名", "name of the node"))],
    home: HomeOption = None,
    genesis: Annotated[
        Path | None,
        typer.Option(
            "--genesis",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help=two("链的 genesis.json", "genesis.json of the chain"),
        ),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            "--peer",
            metavar="NAME=KEY@HOST:PORT",
            help=two("要连接的节点，可重复", "node to connect to, may be repeated"),
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help=two("节点间端口绑定的地址", "address the peer port binds to"))
    ] = "127.0.0.1",
    output: OutputOption = Format.table,
) -> None:
    """Make a home with a new key, or finish one that has its key already."""
    from hnnode.node.genesis import config_text, load_genesis, save_genesis

    place = Home(node_home(home))
    if place.config.exists():
        raise ConfigError("CONFIG_INVALID", say(f"{place.config} 已存在", f"{place.config} exists already"))
    peers = tuple(_peer(text) for text in peer or ())
    checked = None if genesis is None else load_genesis(genesis)
    place.root.parent.mkdir(parents=True, exist_ok=True)
    place.create()
    if not place.key.exists():
        write_key_file(place.key, generate_key())
    public_key = read_key_file(place.key).public_key()
    if checked is not None:
        save_genesis(place.genesis, checked)
    if (
        checked is not None or peers
    ):  # with neither, this was for the key alone: the same command finishes the home later
        place.config.write_text(config_text(Config(name=name, peers=peers, network=NetworkConfig(host=host))), "utf-8")
        place.config.chmod(0o600)
    facts = {
        "home": str(place.root),
        "name": name,
        "public_key": public_key.hex(),
        "account": account_of(public_key).hex(),
        "chain_id": None if checked is None else checked.chain_id.hex(),
    }
    emit(output, facts, lambda: grid(words.facts(facts.items())))


def _peer(text: str) -> Peer:
    found = _PEER.fullmatch(text)
    if found is None or not 1 <= int(found.group(4)) <= 65_535:
        raise typer.BadParameter(f"{text!r}: NAME=KEY@HOST:PORT", param_hint="--peer")
    return Peer(found.group(1), found.group(2).lower(), found.group(3).strip("[]"), int(found.group(4)))


def genesis(
    to: Annotated[Path, typer.Argument(metavar="FILE", help=two("要写的新文件", "new file to write"))],
    validator: Annotated[
        list[str],
        typer.Option(
            "--validator",
            metavar="NAME=KEY|FILE[:POWER]",
            help=two("验证者公钥，可重复", "public key of a validator, may be repeated"),
        ),
    ],
    account: Annotated[
        list[str],
        typer.Option(
            "--account",
            metavar="ORG=KEY|FILE[:ROLE,ROLE]",
            help=two("登记的账户，可重复", "registered account, may be repeated"),
        ),
    ],
    chain_name: Annotated[str, typer.Option("--chain", help=two("链名", "name of the chain"))],
    role: Annotated[
        str, typer.Option("--role", metavar="main|relay|city", help=two("链的角色", "role of the chain"))
    ] = "city",
    plugins: PluginsOption = DEFAULT_APPLICATIONS,
    output: OutputOption = Format.table,
) -> None:
    """The file every node of a new chain starts from; its hash is the chain id."""
    from hnnode.node.genesis import make_genesis, save_genesis

    if to.exists():
        raise ConfigError("GENESIS_INVALID", say(f"{to} 已存在", f"{to} exists already"))
    _check_role(role)
    made = make_genesis(
        chain_name=chain_name,
        role=role,
        validators=[_validator(text) for text in validator],
        accounts=[_account(text) for text in account],
        applications=applications_of(plugins),
    )
    save_genesis(to, made)
    facts = {"file": str(to), "chain_id": made.chain_id.hex(), "validators": len(validator), "accounts": len(account)}
    emit(output, facts, lambda: grid(words.facts(facts.items())))


def _split(text: str, option: str) -> tuple[str, str, str]:
    """NAME=KEY[:REST] with a key of 130 hexadecimal digits, or a file of a public key."""
    found = re.fullmatch(r"([^=]{1,200})=([^:]+)(?::(.*))?", text, re.DOTALL)
    if found is None:
        raise typer.BadParameter(f"{text[:60]!r}: NAME=KEY|FILE", param_hint=option)
    key = found.group(2)
    if not re.fullmatch(r"[0-9a-fA-F]{130}", key):
        key = read_public_key_file(Path(key)).hex()
    return found.group(1), key.lower(), found.group(3) or ""


def _validator(text: str) -> GenesisValidator:
    from hnnode.node.genesis import GenesisValidator

    name, key, power = _split(text, "--validator")
    if power and not power.isdecimal():
        raise typer.BadParameter(f"{power!r}", param_hint="--validator")
    return GenesisValidator(name, key, int(power or "1"))


def _account(text: str) -> GenesisAccount:
    from hnnode.node.genesis import GenesisAccount

    organisation, key, roles = _split(text, "--account")
    return GenesisAccount(bytes.fromhex(key), organisation, tuple(sorted(filter(None, roles.split(",")))))


def _check_role(role: str) -> None:
    if role not in ROLES.values():
        raise typer.BadParameter(f"{role!r}: main | relay | city", param_hint="--role")


def register(application: typer.Typer) -> None:
    application.command(
        "testnet", help=two("生成一个本机网络的节点目录", "make the node homes of a network on this machine")
    )(make_testnet)
    application.command("init", help=two("生成一个节点目录和它的密钥", "make the home of one node, with its key"))(init)
    application.command(
        "genesis", help=two("由各方公钥生成新链的创世文件", "make the genesis file of a new chain from public keys")
    )(genesis)
