"""`hnplugin.toml`: what a plugin says of itself before any of its code runs.

It lies in the package folder, so the code hash covers it. The host reads it; a handler has no use for it.
"""

from __future__ import annotations

import re
import tomllib
from typing import Literal

import msgspec

MANIFEST_NAME = "hnplugin.toml"
MANIFEST_BYTES_MAX = 64 * 1024

Privacy = Literal["clear", "committed", "encrypted"]
"""`clear`: readable on chain. `committed`: the chain keeps a hash. `encrypted`: the chain keeps a ciphertext or a
reference to one.
"""

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
VERSION = re.compile(r"(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){1,3}(?:(?:a|b|rc)[0-9]{1,4})?", re.ASCII)
_ENTRY = re.compile(r"(hn_[a-z0-9_]{1,32}(?:\.[a-z_][a-z0-9_]{0,63}){0,8}):([A-Za-z_][A-Za-z0-9_]{0,63})", re.ASCII)
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(?:\.[A-Za-z_][A-Za-z0-9_]{0,63})?", re.ASCII)
_PATTERN = re.compile(r"[a-z_*][a-z0-9_.*]{0,63}", re.ASCII)
TEXT_CHARS_MAX = 200
FIELDS_MAX = 1_000


VersionOrder = tuple[tuple[int, ...], str, int]
_PARTS_MAX = 4


class ManifestError(ValueError):
    """The manifest is not usable; the text names the field."""


class PluginSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[plugin]`. `vendor`: the vendor's name or unified social credit code."""

    name: str
    version: str
    api_version: int
    state_version: int
    vendor: str
    licence: str
    title_zh: str
    title_en: str


class CodeSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[code]`. `entry`: `hn_<name>:object`. `metered`: the code is counted while it runs; a property of the code, the
    same on every node. `off_chain`: modules of the package that no handler reaches, such as readers of documents, by
    name with `*`; `hnnode plugin check` holds them to fewer rules.
    """

    entry: str
    metered: bool = True
    off_chain: tuple[str, ...] = ()


class NeedsSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`[needs]`: applications whose state this one reads."""

    applications: tuple[str, ...] = ()


class Manifest(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A checked `hnplugin.toml`. `privacy` maps `field` or `action.field` to how it stands on the chain."""

    plugin: PluginSection
    code: CodeSection
    privacy: dict[str, Privacy] = {}
    needs: NeedsSection = NeedsSection()

    @property
    def package(self) -> str:
        """Import name of the package."""
        return f"hn_{self.plugin.name}"

    def privacy_of(self, action: str, field: str) -> Privacy | None:
        """How a payload's field stands on the chain; the action's own entry goes first."""
        return self.privacy.get(f"{action}.{field}") or self.privacy.get(field)


def version_order(version: str) -> VersionOrder:
    """What versions are sorted by: 1.9 before 1.10, 2.0rc1 before 2.0, which is 2.0.0. version: of the form of a manifest."""
    found = re.fullmatch(r"([0-9.]+)(?:(a|b|rc)([0-9]+))?", version, re.ASCII)
    if found is None:
        raise ManifestError(f"version: got {version[:40]!r}, want a version such as 1.2.0")
    numbers = tuple(int(part) for part in found[1].split("."))
    return numbers + (0,) * (_PARTS_MAX - len(numbers)), found[2] or "release", int(found[3] or 0)


def parse_manifest(data: bytes) -> Manifest:
    """Raises: ManifestError: not TOML, an unknown, missing or ill-formed field; the text names it."""
    if len(data) > MANIFEST_BYTES_MAX:
        raise ManifestError(f"got {len(data)} bytes, want ≤ {MANIFEST_BYTES_MAX}")
    try:
        manifest = msgspec.convert(tomllib.loads(data.decode("utf-8")), Manifest)
    except UnicodeDecodeError as e:
        raise ManifestError(f"not UTF-8 at byte {e.start}") from e
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as e:
        raise ManifestError(str(e)) from e
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    plugin = manifest.plugin
    _want(NAME.fullmatch(plugin.name), "plugin.name", plugin.name, "a lower-case name of at most 32 characters")
    _want(VERSION.fullmatch(plugin.version), "plugin.version", plugin.version, "a version such as 1.2.0")
    for field in ("api_version", "state_version"):
        number = getattr(plugin, field)
        _want(1 <= number < 2**32, f"plugin.{field}", number, "1 or more")
    for field in ("vendor", "licence", "title_zh", "title_en"):
        text = getattr(plugin, field)
        plain = 0 < len(text) <= TEXT_CHARS_MAX and text == text.strip() and all(ord(char) >= 32 for char in text)
        _want(plain, f"plugin.{field}", text[:40], f"one line of 1 to {TEXT_CHARS_MAX} characters")
    entry = _ENTRY.fullmatch(manifest.code.entry)
    _want(entry, "code.entry", manifest.code.entry[:80], f"{manifest.package}:plugin")
    if entry is not None and entry[1].partition(".")[0] != manifest.package:
        raise ManifestError(f"code.entry: got {manifest.code.entry}, want an object of {manifest.package}")
    for pattern in manifest.code.off_chain:
        _want(_PATTERN.fullmatch(pattern), "code.off_chain", pattern[:80], "names of modules, with * at most")
    _want(len(manifest.privacy) <= FIELDS_MAX, "privacy", len(manifest.privacy), f"≤ {FIELDS_MAX} fields")
    for field in manifest.privacy:
        _want(_FIELD.fullmatch(field), "privacy", field[:80], "field or action.field")
    for name in manifest.needs.applications:
        _want(NAME.fullmatch(name) and name != plugin.name, "needs.applications", name[:40], "another application")


def _want(condition: object, field: str, got: object, want: str) -> None:
    if not condition:
        raise ManifestError(f"{field}: got {got!r}, want {want}")
