"""Where this command works: node URL, node home, key folder; from flags, environment, the running dev network,
defaults.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from hnnode_native import account_of

from hnnode.cli.language import say
from hnnode.crypto import read_public_key_file
from hnnode.errors import ConfigError

DEFAULT_NODE = "http://127.0.0.1:20200"


@dataclass(slots=True)
class Session:
    """Values of the options before the noun; a verb's own option goes first. `asked`: the node that the verb chose."""

    home: Path | None = None
    node: str | None = None
    key_dir: Path | None = None
    asked: str | None = None


session = Session()


class DevNetwork(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The dev network this user runs now: lets other commands find its node and demo key without flags."""

    pid: int
    directory: str
    chain_id: str
    nodes: tuple[str, ...]
    key_dir: str
    key: str


def user_dir() -> Path:
    """`$HNNODE_USER_DIR`, or `~/.hnnode`."""
    chosen = os.environ.get("HNNODE_USER_DIR")
    return Path(chosen) if chosen else Path.home() / ".hnnode"


def _dev_file() -> Path:
    return user_dir() / "dev.json"


def save_dev_network(network: DevNetwork) -> None:
    user_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    _dev_file().write_bytes(msgspec.json.encode(network))


def forget_dev_network(pid: int) -> None:
    """Remove the pointer if it is still the one of process `pid`."""
    network = dev_network()
    if network is not None and network.pid == pid:
        _dev_file().unlink(missing_ok=True)


def dev_network() -> DevNetwork | None:
    """The dev network whose process still lives; None when there is none."""
    try:
        network = msgspec.json.decode(_dev_file().read_bytes(), type=DevNetwork)
        os.kill(network.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return network


def node_url(option: str | None) -> str:
    """--node of the verb, of the root, $HNNODE_NODE (read by the root), the dev network, the default."""
    url = option or session.node
    if url is None:
        network = dev_network()
        url = network.nodes[0] if network is not None else DEFAULT_NODE
    session.asked = url.rstrip("/")
    return session.asked


def node_home(option: Path | None) -> Path:
    return option or session.home or user_dir() / "node"


def key_dir(option: Path | None) -> Path:
    return option or session.key_dir or user_dir() / "keys"


def key_path(option: str | None, directory: Path | None = None) -> Path:
    """Key file to sign with: a path or a name in the key folder; without one the dev network's key, or the only key
    there is.

    Raises ConfigError 2004 when nothing fits.
    """
    folder = key_dir(directory)
    chosen = option or os.environ.get("HNNODE_KEY")
    if chosen:
        for candidate in (Path(chosen), folder / f"{chosen}.pem", *_dev_candidates(chosen)):
            if candidate.is_file():
                return candidate
        detail = say(
            f"没有密钥 {chosen}（既不是文件，也不在 {folder} 中）", f"no key {chosen} (neither a file nor in {folder})"
        )
        raise ConfigError("KEY_FILE_INVALID", detail)
    network = dev_network()
    if network is not None and directory is None and session.key_dir is None:
        return Path(network.key)
    found = sorted(folder.glob("*.pem"))
    if len(found) == 1:
        return found[0]
    detail = say(
        f"{folder} 中有 {len(found)} 个密钥，请用 --key 指定一个",
        f"{folder} holds {len(found)} keys, choose one with --key",
    )
    raise ConfigError("KEY_FILE_INVALID", detail)


def key_names(directory: Path | None = None) -> list[str]:
    """Keys that can be named: of the key folder, and of the dev network that runs."""
    network = dev_network()
    folders = [key_dir(directory), *([] if network is None else [Path(network.key_dir)])]
    return sorted({path.stem for folder in folders for path in folder.glob("*.pub")})


def account_named(name: str, directory: Path | None = None) -> bytes:
    """Account of a key, from its public half, so that no passphrase is needed. Raises ConfigError 2004."""
    return account_of(read_public_key_file(key_path(name, directory).with_suffix(".pub")))


def _dev_candidates(name: str) -> list[Path]:
    network = dev_network()
    return [] if network is None else [Path(network.key_dir) / f"{name}.pem"]
