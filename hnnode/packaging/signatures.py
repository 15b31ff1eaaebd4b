"""Who vouches for a package: SM2 signatures of the vendor and of the operator, and whose keys count.

What is signed: `H("hn/plugin-package/v1", code_hash || u8 length || name || u8 length || version || u32 api_version ||
u32 state_version)`. The code hash covers the manifest, and so everything that the code may do.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from hnnode_native import NativeError, account_of, tagged_hash, verify

from hnnode.packaging.failure import invalid
from hnnode.plugin_api.manifest import Manifest

SIGNATURES_MAX = 16
TRUST_BYTES_MAX = 1024 * 1024
TRUST_NAME = "trusted.toml"
"""In the folder `plugins` of a node's home."""

Role = Literal["vendor", "operator"]
ROLES: tuple[Role, ...] = ("vendor", "operator")
_ROLES_ZH: dict[Role, str] = {"vendor": "厂商", "operator": "数据中心"}


class Signature(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`public_key`: 130 hexadecimal digits; `signature`: 128."""

    role: Role
    public_key: str
    signature: str


class _File(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    version: Literal[1]
    signatures: tuple[Signature, ...]


class TrustedKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key whose signature counts in one role. `name`: whose it is, for people."""

    name: str
    role: Role
    public_key: str


class Trust(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys an operator trusts, `[[key]]` by `[[key]]`."""

    key: tuple[TrustedKey, ...] = ()

    def keys(self, role: Role) -> frozenset[str]:
        return frozenset(each.public_key.lower() for each in self.key if each.role == role)


class _Signer(Protocol):
    @property
    def public_key(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...


def statement(manifest: Manifest, code_hash: bytes) -> bytes:
    """What a signature of a package is over."""
    plugin = manifest.plugin
    name, version = plugin.name.encode("ascii"), plugin.version.encode("ascii")
    parts = [code_hash, bytes((len(name),)), name, bytes((len(version),)), version]
    parts += [plugin.api_version.to_bytes(4, "big"), plugin.state_version.to_bytes(4, "big")]
    return tagged_hash("hn/plugin-package/v1", b"".join(parts))


def sign(manifest: Manifest, code_hash: bytes, role: Role, signer: _Signer) -> Signature:
    """Vouch for a package."""
    return Signature(role, signer.public_key.hex(), signer.sign(statement(manifest, code_hash)).hex())


def merged(before: Sequence[Signature], new: Signature) -> tuple[Signature, ...]:
    """With one signature a key and role. Raises ConfigError when there are too many."""
    kept = [each for each in before if (each.role, each.public_key) != (new.role, new.public_key)]
    if len(kept) >= SIGNATURES_MAX:
        raise invalid(f"signatures: got {len(kept) + 1}, want ≤ {SIGNATURES_MAX}")
    return tuple(sorted((*kept, new), key=lambda each: (ROLES.index(each.role), each.public_key)))


def encode_signatures(signatures: Sequence[Signature]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(_File(1, tuple(signatures))), indent=1) + b"\n"


def decode_signatures(data: bytes) -> tuple[Signature, ...]:
    """Raises ConfigError: malformed, or too many."""
    try:
        found = msgspec.json.decode(data, type=_File).signatures
    except (msgspec.DecodeError, RecursionError) as e:
        raise invalid(f"signatures.json: {e}") from e
    if len(found) > SIGNATURES_MAX:
        raise invalid(f"signatures.json: got {len(found)} signatures, want ≤ {SIGNATURES_MAX}")
    return found


def check_signatures(manifest: Manifest, code_hash: bytes, signatures: Sequence[Signature], trust: Trust) -> None:
    """Want one valid signature by a trusted key in each role, and none that is wrong.

    Raises: ConfigError naming the role, and whether the signature is missing, foreign or wrong.
    """
    name, message = manifest.plugin.name, statement(manifest, code_hash)
    for each in signatures:
        if not _valid(each, message):
            raise invalid(
                f"{name}: signature of {each.role} {_short(each)}: it does not fit this code",
                f"{name}：{_ROLES_ZH[each.role]}签名（{_short_zh(each)}）与代码不符",
            )
    for role in ROLES:
        trusted = trust.keys(role)
        given = [each for each in signatures if each.role == role]
        if not given:
            raise invalid(
                f"{name}: no signature of {_who(role)} (hnnode plugin sign WHEEL --as {role} --key NAME)",
                f"{name}：缺少{_ROLES_ZH[role]}签名（hnnode plugin sign WHEEL --as {role} --key NAME）",
            )
        if not any(each.public_key.lower() in trusted for each in given):
            raise invalid(
                f"{name}: the signature of {_who(role)} is foreign: {_short(given[0])} is not among the"
                f" {len(trusted)} trusted keys (hnnode plugin trust FILE --as {role} --home DIR)",
                f"{name}：{_ROLES_ZH[role]}签名不可信：{_short_zh(given[0])} 不在 {len(trusted)} 个受信任的密钥之中"
                f"（hnnode plugin trust FILE --as {role} --home DIR）",
            )


def _who(role: Role) -> str:
    return "a vendor" if role == "vendor" else "an operator"


def _short(signature: Signature) -> str:
    try:
        return f"account {account_of(bytes.fromhex(signature.public_key)).hex()}"
    except (ValueError, NativeError):
        return f"key {signature.public_key[:16]}"


def _short_zh(signature: Signature) -> str:
    return _short(signature).replace("account", "账户")


def _valid(signature: Signature, message: bytes) -> bool:
    try:
        key, value = bytes.fromhex(signature.public_key), bytes.fromhex(signature.signature)
        return len(key) == 65 and len(value) == 64 and verify(key, message, value)
    except (ValueError, NativeError):
        return False


def load_trust(path: Path) -> Trust:
    """Keys of an operator's file; nobody's when there is none. Raises ConfigError: malformed."""
    try:
        data = path.read_bytes()
        if len(data) > TRUST_BYTES_MAX:
            raise invalid(f"{path}: longer than {TRUST_BYTES_MAX} bytes")
        trust = msgspec.convert(tomllib.loads(data.decode("utf-8")), Trust)
        for each in trust.key:
            account_of(bytes.fromhex(each.public_key))
    except FileNotFoundError:
        return Trust()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as e:
        raise invalid(f"{path}: {e}") from e
    except NativeError as e:
        raise invalid(f"{path}: public_key: {e}") from e
    return trust


def save_trust(path: Path, trust: Trust) -> None:
    """Write the file whole or not at all; a reader sees the old or the new one."""
    text = ["# Keys whose signatures on plugin packages this node trusts. Written by `hnnode plugin trust`."]
    for each in trust.key:
        facts: Mapping[str, str] = {"name": each.name, "role": each.role, "public_key": each.public_key}
        text += ["", "[[key]]", *(f"{name} = {_quoted(value)}" for name, value in facts.items())]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write("\n".join(text) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode("utf-8")
