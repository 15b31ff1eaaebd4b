"""A plugin's package: one wheel with manifest, code, bill of materials and signatures.

    hn_<name>/**.py .json .toml, py.typed          what the code hash covers (py.typed is empty)
    hnnode_<name>-<version>.dist-info/             METADATA, WHEEL, entry_points.txt, RECORD, README.md, README.zh.md,
                                                   LICENSE, registered.json, sbom.cdx.json, signatures.json

Nothing else may be in it: no compiled code, no path beside these, no second package. Nothing of it is run to read it.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hnnode.errors import ConfigError
from hnnode.packaging.code_hash import CACHE, CODE_SUFFIXES, hash_code, read_code
from hnnode.packaging.failure import invalid
from hnnode.packaging.sbom import check_sbom, make_sbom
from hnnode.packaging.signatures import (
    Signature,
    Trust,
    check_signatures,
    decode_signatures,
    encode_signatures,
    merged,
)
from hnnode.packaging.wheel import read_wheel, wheel_bytes
from hnnode.plugin_api.hooks import API_VERSION
from hnnode.plugin_api.manifest import MANIFEST_NAME, Manifest, ManifestError, parse_manifest

NATIVE_NAMES = frozenset(("identity", "evidence", "governance"))
"""Applications of the core: no plugin may bring them."""
RESERVED_NAMES = NATIVE_NAMES | {"system", "hnnode", "std"}
"""Those, and names of the house itself."""
OwnerOf = Callable[[str], str | None]
"""Name of an application → the vendor whose name it is on this node, or None."""

SBOM_NAME = "sbom.cdx.json"
REGISTERED_NAME = "registered.json"
REGISTERED_BYTES_MAX = 4 * 1024 * 1024
SIGNATURES_NAME = "signatures.json"
DOCUMENTS = ("README.md", "README.zh.md", "LICENSE")
_INFO = frozenset(("METADATA", "WHEEL", "entry_points.txt", REGISTERED_NAME, SBOM_NAME, SIGNATURES_NAME, *DOCUMENTS))
_WHEEL_TEXT = b"Wheel-Version: 1.0\nGenerator: hnnode\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True, slots=True)
class PluginPackage:
    """`files`: everything in the wheel but its RECORD, by path from the wheel's root (`hn_demo/plugin.py`)."""

    manifest: Manifest
    code_hash: bytes
    files: Mapping[str, bytes]
    signatures: tuple[Signature, ...]
    sbom: bytes

    @property
    def name(self) -> str:
        return self.manifest.plugin.name

    @property
    def version(self) -> str:
        return self.manifest.plugin.version

    @property
    def wheel_name(self) -> str:
        return f"hnnode_{self.name}-{self.version}-py3-none-any.whl"

    @property
    def dist_info(self) -> str:
        return _dist_info(self.manifest)

    @property
    def registered(self) -> bytes | None:
        """What the package says that its code registers (`hnnode.execution.registered`); None when it says nothing."""
        return self.files.get(f"{self.dist_info}/{REGISTERED_NAME}")

    def code(self) -> dict[str, bytes]:
        """The package's own files, by path from the package folder."""
        start = f"{self.manifest.package}/"
        return {path.removeprefix(start): content for path, content in self.files.items() if path.startswith(start)}

    def signed(self, signature: Signature) -> PluginPackage:
        """The same package with one more signature."""
        every = merged(self.signatures, signature)
        files = {**self.files, f"{self.dist_info}/{SIGNATURES_NAME}": encode_signatures(every)}
        return replace(self, signatures=every, files=dict(sorted(files.items())))


def read_package(path: Path, trust: Trust | None, *, owner_of: OwnerOf | None = None) -> PluginPackage:
    """Read and check a wheel; nothing of it is run.

    Args:
        trust: whose signatures count: one of a vendor and one of an operator must be there. None skips the signatures
            and is for development alone.
        owner_of: whose the names on this node are: another vendor's package needs another name.
    Raises: ConfigError PLUGIN_PACKAGE_INVALID naming what is wrong: bad zip, path outside, content that RECORD does not
        know, compiled code, missing, foreign or wrong signature, newer API, name reserved or another vendor's, missing migration,
        code that is not metered, too large.
    """
    files = read_wheel(path)
    manifest = _manifest_of(files, path.name)
    package = _assemble(manifest, files)
    if path.name != package.wheel_name:
        raise invalid(
            f"{path.name}: want the file name {package.wheel_name}", f"{path.name}：文件名应为 {package.wheel_name}"
        )
    check_manifest(manifest, owner_of)
    _check_code(package)
    check_sbom(package.sbom, package.code_hash)
    if trust is not None:
        check_signatures(manifest, package.code_hash, package.signatures, trust)
    return package


def build_package(root: Path, registered: bytes | None = None) -> PluginPackage:
    """Package of a plugin's source folder, which holds `hn_<name>/`, unsigned.

    Args:
        registered: what its code registers; a package that says nothing of it is not installed.

    Raises: ConfigError PLUGIN_PACKAGE_INVALID naming what is wrong.
    """
    folder = find_package(root)
    for path in sorted(folder.rglob(f"{CACHE}/**/*")):
        if path.suffix in CODE_SUFFIXES:
            raise _cached(folder.name, path.relative_to(folder.parent).as_posix())
    code = read_code(folder)
    if (folder / "py.typed").is_file():
        code["py.typed"] = b""
    manifest = read_manifest(folder)
    check_manifest(manifest)
    digest = hash_code(code)
    info = _dist_info(manifest)
    files = {f"{manifest.package}/{path}": content for path, content in code.items()}
    for name in DOCUMENTS:
        if (root / name).is_file():
            files[f"{info}/{name}"] = (root / name).read_bytes()
    files[f"{info}/METADATA"] = _metadata(manifest)
    files[f"{info}/WHEEL"] = _WHEEL_TEXT
    files[f"{info}/entry_points.txt"] = _entry_points(manifest)
    files[f"{info}/{SBOM_NAME}"] = make_sbom(manifest, digest, code)
    files[f"{info}/{SIGNATURES_NAME}"] = encode_signatures(())
    if registered is not None:
        files[f"{info}/{REGISTERED_NAME}"] = registered
    package = _assemble(manifest, dict(sorted(files.items())))
    _check_code(package)
    return package


def write_package(package: PluginPackage, folder: Path) -> Path:
    """Write the wheel into `folder`, whole or not at all; an older one of the same name is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / package.wheel_name
    fresh = folder / f".{package.wheel_name}.new"
    with fresh.open("wb") as file:
        file.write(wheel_bytes(package.files, package.dist_info))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return path


def find_package(root: Path) -> Path:
    """The one folder `hn_<name>` with a manifest in a source folder. Raises ConfigError: none, or several."""
    found = sorted(path.parent for path in root.glob(f"hn_*/{MANIFEST_NAME}"))
    if len(found) != 1:
        raise invalid(f"{root}: found {len(found)} folders hn_<name> with {MANIFEST_NAME}, want 1")
    return found[0]


def read_manifest(folder: Path) -> Manifest:
    """Manifest of a package folder. Raises ConfigError: none, malformed, or of another package."""
    try:
        manifest = parse_manifest((folder / MANIFEST_NAME).read_bytes())
    except OSError as e:
        raise invalid(f"{folder / MANIFEST_NAME}: {e.strerror}") from e
    except ManifestError as e:
        raise invalid(f"{folder / MANIFEST_NAME}: {e}") from e
    if manifest.package != folder.name:
        raise invalid(f"{folder / MANIFEST_NAME}: plugin.name: got {manifest.plugin.name}, the folder is {folder.name}")
    return manifest


def check_manifest(manifest: Manifest, owner_of: OwnerOf | None = None) -> None:
    """Whether this node may load such a plugin at all. Raises ConfigError."""
    plugin = manifest.plugin
    name = plugin.name
    if name in RESERVED_NAMES:
        raise invalid(f"{name}: the name is reserved", f"{name}：名称为系统保留")
    owner = None if owner_of is None else owner_of(name)
    if owner not in (None, plugin.vendor):
        raise invalid(
            f"{name}: the name belongs to {owner!r} here, this package is of {plugin.vendor!r}: want another name",
            f"{name}：本机上该名称属于“{owner}”，此包来自“{plugin.vendor}”，须换名称",
        )
    if plugin.api_version > API_VERSION:
        raise invalid(
            f"{name}: api_version: got {plugin.api_version}, this node has {API_VERSION}: upgrade it",
            f"{name}：接口版本为 {plugin.api_version}，本节点为 {API_VERSION}，请先升级节点",
        )


def _check_code(package: PluginPackage) -> None:
    """What the files themselves must be. Raises ConfigError."""
    manifest, name = package.manifest, package.name
    if not manifest.code.metered:
        raise invalid(
            f"{name}: code.metered: got false, want true: uncounted code comes with the node's own environment alone "
            f"(pip), and is proposed by its name: hnnode plugin propose {name}",
            f"{name}：code.metered 为 false，插件包须为 true；不计量的代码只能随节点自身环境安装（pip），按名称提议："
            f"hnnode plugin propose {name}",
        )
    code = package.code()
    if "__init__.py" not in code:
        raise invalid(f"{name}: {manifest.package}/__init__.py is missing")
    found = False
    for path, content in code.items():
        if not path.endswith(".py"):
            continue
        try:
            tree = ast.parse(content, path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
            raise invalid(f"{name}: {path}: {e}") from e
        found = found or any(
            isinstance(node, ast.FunctionDef) and node.name == "hn_migrations" for node in ast.walk(tree)
        )
    if manifest.plugin.state_version > 1 and not found:
        raise invalid(
            f"{name}: state_version {manifest.plugin.state_version} without a migration: want the hook hn_migrations",
            f"{name}：数据版本为 {manifest.plugin.state_version}，却没有迁移：需要钩子 hn_migrations",
        )


def _manifest_of(files: Mapping[str, bytes], name: str) -> Manifest:
    places = [path for path in files if path.count("/") == 1 and path.endswith(f"/{MANIFEST_NAME}")]
    if len(places) != 1:
        raise invalid(f"{name}: found {len(places)} {MANIFEST_NAME}, want 1")
    try:
        manifest = parse_manifest(files[places[0]])
    except ManifestError as e:
        raise invalid(f"{name}: {places[0]}: {e}") from e
    if places[0] != f"{manifest.package}/{MANIFEST_NAME}":
        raise invalid(f"{name}: {places[0]}: plugin.name: got {manifest.plugin.name}, which is not its folder's")
    return manifest


def _assemble(manifest: Manifest, files: Mapping[str, bytes]) -> PluginPackage:
    info, name = _dist_info(manifest), manifest.plugin.name
    for path, content in files.items():
        if CACHE in path.split("/"):
            raise _cached(name, path)
        folder, _, rest = path.partition("/")
        if folder == info and rest in _INFO:
            continue
        covered = path.endswith(CODE_SUFFIXES) or (rest == "py.typed" and not content)
        if folder == manifest.package and covered:
            continue
        raise invalid(f"{name}: {path} does not belong into a plugin's package")
    for needed in ("METADATA", "entry_points.txt", SBOM_NAME, SIGNATURES_NAME):
        if f"{info}/{needed}" not in files:
            raise invalid(f"{name}: {info}/{needed} is missing")
    facts = set(files[f"{info}/METADATA"].decode("utf-8", "replace").partition("\n\n")[0].splitlines())
    same = {f"Name: hnnode-{name}", f"Version: {manifest.plugin.version}"} <= facts
    if not same or files[f"{info}/entry_points.txt"] != _entry_points(manifest):
        raise invalid(f"{name}: METADATA or entry_points.txt say something else than the manifest")
    if len(files.get(f"{info}/{REGISTERED_NAME}", b"")) > REGISTERED_BYTES_MAX:
        raise invalid(f"{name}: {REGISTERED_NAME}: larger than {REGISTERED_BYTES_MAX} bytes")
    start = f"{manifest.package}/"
    code = {path.removeprefix(start): content for path, content in files.items() if path.startswith(start)}
    signatures = decode_signatures(files[f"{info}/{SIGNATURES_NAME}"])
    return PluginPackage(manifest, hash_code(code), files, signatures, files[f"{info}/{SBOM_NAME}"])


def _cached(name: str, path: str) -> ConfigError:
    return invalid(
        f"{name}: {path}: code in a folder of caches is not under the code hash; move it or remove it",
        f"{name}：{path}：缓存目录中的代码不计入代码摘要，请移走或删除",
    )


def _dist_info(manifest: Manifest) -> str:
    return f"hnnode_{manifest.plugin.name}-{manifest.plugin.version}.dist-info"


def _metadata(manifest: Manifest) -> bytes:
    plugin = manifest.plugin
    lines: Sequence[str] = (
        "Metadata-Version: 2.1",
        f"Name: hnnode-{plugin.name}",
        f"Version: {plugin.version}",
        f"Summary: {plugin.title_en}",
        f"Author: {plugin.vendor}",
        f"License: {plugin.licence}",
        "Requires-Python: >=3.11",
        "Requires-Dist: hnnode",
    )
    return ("\n".join(lines) + "\n").encode("utf-8")


def _entry_points(manifest: Manifest) -> bytes:
    return f"[hnnode.plugins]\n{manifest.plugin.name} = {manifest.code.entry}\n".encode()
