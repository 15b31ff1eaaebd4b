"""Signed packages of a small plugin in several versions, for tests of what becomes of plugins on a running chain.

`counter` adds numbers. State version 1 keeps `c ‖ name → decimal text`, version 2 `n ‖ name → 8 bytes`; version 2.0.0
knows the way there and back.
"""

from __future__ import annotations

from pathlib import Path

from hnnode.crypto import MemorySigner
from hnnode.execution.registered import encode_registered
from hnnode.governance import PluginStore
from hnnode.kit.project import Project, table_of
from hnnode.packaging import PluginPackage, Trust, TrustedKey, build_package, save_trust, sign, write_package

VENDOR, OPERATOR = MemorySigner.generate(), MemorySigner.generate()
TRUST = Trust(
    (
        TrustedKey("vendor", "vendor", VENDOR.public_key.hex()),
        TrustedKey("data centre", "operator", OPERATOR.public_key.hex()),
    )
)

_MANIFEST = """
[plugin]
name = "counter"
version = "{version}"
api_version = 1
state_version = {state_version}
vendor = "演示厂商"
licence = "Apache-2.0"
title_zh = "计数"
title_en = "Counter"
[code]
entry = "hn_counter:plugin"
[privacy]
name = "clear"
amount = "clear"
"""

_SHARED = '''"""Adds numbers under names."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hnnode.plugin_api import END, Context, Migration, MigrationRefused, QueryView, Registry, hookimpl

Name = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[a-z]+" + END)]


class Add(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Name
    amount: Annotated[int, Meta(ge=1, le=1000)]


class Total(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Name


'''

_V1 = (
    _SHARED
    + """def add(ctx: Context, payload: Add) -> None:
    key = b"c" + payload.name.encode()
    before = ctx.get(key)
    total = payload.amount + (int(before.decode()) if before is not None else 0)
    ctx.put(key, str(total).encode())


def total(view: QueryView, query: Total) -> dict[str, object]:
    value = view.get(b"c" + query.name.encode())
    return {"layout": 1, "total": int(value.decode()) if value is not None else 0}


class Plugin:
    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.describe("计数", "Counter")
        registry.action("add", Add, add, title_zh="加", title_en="Add")
        registry.query("total", Total, total, title_zh="合计", title_en="Total")


plugin = Plugin()
"""
)

_V2 = (
    _SHARED
    + """def add(ctx: Context, payload: Add) -> None:
    key = b"n" + payload.name.encode()
    before = ctx.get(key)
    total = payload.amount + (int.from_bytes(before, "big") if before is not None else 0)
    ctx.put(key, total.to_bytes(8, "big"))


def total(view: QueryView, query: Total) -> dict[str, object]:
    value = view.get(b"n" + query.name.encode())
    return {"layout": 2, "total": int.from_bytes(value, "big") if value is not None else 0}


def check(rows: object) -> None:
    for key, value in rows:
        if not value.decode().isdecimal() or key == b"cbad":
            raise MigrationRefused("row " + key.decode() + " is no number")


def move(rows: object, put: object, delete: object) -> None:
    for key, value in rows:
        if key[:1] == b"c":
            delete(key)
            put(b"n" + key[1:], int(value.decode()).to_bytes(8, "big"))


def verify(rows: object) -> None:
    for key, value in rows:
        if key[:1] != b"n" or len(value) != 8:
            raise MigrationRefused("row " + key.hex() + " was not moved")


def back(rows: object, put: object, delete: object) -> None:
    for key, value in rows:
        if key[:1] == b"n":
            delete(key)
            put(b"c" + key[1:], str(int.from_bytes(value, "big")).encode())


class Plugin:
    @hookimpl
    def hn_register(self, registry: Registry) -> None:
        registry.describe("计数", "Counter", state_version=2)
        registry.action("add", Add, add, title_zh="加", title_en="Add")
        registry.query("total", Total, total, title_zh="合计", title_en="Total")

    @hookimpl
    def hn_migrations(self) -> list[Migration]:
        return [Migration(1, 2, move, check=check, verify=verify), Migration(2, 1, back)]


plugin = Plugin()
"""
)


def counter_package(folder: Path, version: str = "1.0.0", *, note: str = "") -> PluginPackage:
    """Version 1.x or 2.x of the plugin; `note` makes another code hash of it."""
    major = int(version.partition(".")[0])
    root = folder / f"counter-{version}{'-' + note if note else ''}"
    package = root / "hn_counter"
    package.mkdir(parents=True)
    (package / "hnplugin.toml").write_text(_MANIFEST.format(version=version, state_version=major), "utf-8")
    (package / "__init__.py").write_text((_V1 if major == 1 else _V2) + (f"# {note}\n" if note else ""), "utf-8")
    made = build_package(root, _registered(root))
    for role, signer in (("vendor", VENDOR), ("operator", OPERATOR)):
        made = made.signed(sign(made.manifest, made.code_hash, role, signer))  # type: ignore[arg-type]
    return made


def _registered(root: Path) -> bytes:
    project = Project.open(root)
    host = project.host()
    try:
        return encode_registered(table_of(host, project.name))
    finally:
        host.close()


def counter_wheel(folder: Path, version: str = "1.0.0") -> Path:
    return write_package(counter_package(folder, version), folder / "dist")


def trust_counter(home: Path) -> PluginStore:
    """Let a home take the packages of this file."""
    store = PluginStore(home)
    save_trust(store.trust, TRUST)
    return store
