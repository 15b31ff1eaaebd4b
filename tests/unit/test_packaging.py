"""Packages of plugins: the same bytes from the same source, and every way in which one must be refused."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.crypto import MemorySigner
from hnnode.errors import ConfigError
from hnnode.packaging import (
    PluginPackage,
    Trust,
    TrustedKey,
    build_package,
    hash_code,
    load_trust,
    read_code,
    read_package,
    save_trust,
    sign,
    write_package,
)
from hnnode.packaging.wheel import wheel_bytes
from hnnode.plugin_api.manifest import ManifestError, parse_manifest, version_order

MANIFEST = """
[plugin]
name = "demo"
version = "1.0.0"
api_version = 1
state_version = 1
vendor = "演示厂商"
licence = "Apache-2.0"
title_zh = "演示"
title_en = "Demo"
[code]
entry = "hn_demo:plugin"
[privacy]
item = "clear"
"create.note" = "committed"
"""
VENDOR, OPERATOR, STRANGER = MemorySigner.generate(), MemorySigner.generate(), MemorySigner.generate()
TRUST = Trust(
    (
        TrustedKey("vendor", "vendor", VENDOR.public_key.hex()),
        TrustedKey("data centre", "operator", OPERATOR.public_key.hex()),
    )
)


def source(root: Path, manifest: str = MANIFEST, **more: str) -> Path:
    package = root / "hn_demo"
    package.mkdir(parents=True)
    (package / "hnplugin.toml").write_text(manifest, "utf-8")
    (package / "__init__.py").write_text("plugin = object()\n", "utf-8")
    (package / "py.typed").touch()
    (root / "README.md").write_text("# demo\n", "utf-8")
    for name, text in more.items():
        (package / f"{name}.py").write_text(text, "utf-8")
    return root


@pytest.fixture
def package(tmp_path: Path) -> PluginPackage:
    made = build_package(source(tmp_path / "demo"))
    made = made.signed(sign(made.manifest, made.code_hash, "vendor", VENDOR))
    return made.signed(sign(made.manifest, made.code_hash, "operator", OPERATOR))


def refused(path: Path, text: str, trust: Trust | None = TRUST, *, zh: str = "", **more: Any) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        read_package(path, trust, **more)
    assert caught.value.code == 4016
    assert zh in caught.value.detail_zh


def test_what_is_written_is_read(package: PluginPackage, tmp_path: Path) -> None:
    path = write_package(package, tmp_path / "dist")
    assert path.name == "hnnode_demo-1.0.0-py3-none-any.whl"
    found = read_package(path, TRUST)
    assert found == package
    assert found.code_hash == hash_code(found.code())
    assert found.manifest.privacy_of("create", "note") == "committed"
    assert found.manifest.privacy_of("create", "item") == "clear"


def test_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    first = source(tmp_path / "a", one="A = 1\n", two="B = 2\n")
    second = source(tmp_path / "b", two="B = 2\n", one="A = 1\n")
    (second / "hn_demo" / "__pycache__").mkdir()
    (second / "hn_demo" / "__pycache__" / "x.pyc").write_text("")
    (second / "hn_demo" / "left.py~").write_text("")
    made = [write_package(build_package(root), root / "dist").read_bytes() for root in (first, second)]
    assert made[0] == made[1]
    assert read_code(first / "hn_demo").keys() == {"__init__.py", "hnplugin.toml", "one.py", "two.py"}


@pytest.mark.parametrize(("role", "signer"), [("vendor", STRANGER), ("operator", STRANGER), ("operator", VENDOR)])
def test_a_foreign_or_missing_signature_is_refused(tmp_path: Path, role: Any, signer: MemorySigner) -> None:
    made = build_package(source(tmp_path / "demo"))
    refused(write_package(made, tmp_path), "no signature of a vendor", zh="缺少厂商签名")
    if role == "operator":
        made = made.signed(sign(made.manifest, made.code_hash, "vendor", VENDOR))
        refused(write_package(made, tmp_path), "no signature of an operator", zh="缺少数据中心签名")
    path = write_package(made.signed(sign(made.manifest, made.code_hash, role, signer)), tmp_path)
    refused(path, f"{signer.account.hex()} is not among", zh="签名不可信")
    assert read_package(path, None).name == "demo"


def test_a_signature_of_other_code_is_refused(package: PluginPackage, tmp_path: Path) -> None:
    other = build_package(source(tmp_path / "other", more="X = 1\n"))
    for signature in package.signatures:
        other = other.signed(signature)
    refused(write_package(other, tmp_path), "does not fit this code", zh="与代码不符")


def test_a_repeated_signature_replaces_the_one_before(package: PluginPackage) -> None:
    again = package.signed(sign(package.manifest, package.code_hash, "vendor", VENDOR))
    assert len(again.signatures) == 2


def rewritten(package: PluginPackage, tmp_path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A wheel with other content and a RECORD that fits it."""
    files = dict(package.files)
    change(files)
    path = tmp_path / package.wheel_name
    path.write_bytes(wheel_bytes(files, package.dist_info))
    return path


@pytest.mark.parametrize(
    ("where", "content", "text"),
    [
        ("hn_demo/core.so", b"\x7fELF", "does not belong"),
        ("hn_demo/core.pyc", b"", "does not belong"),
        ("hn_demo/__pycache__/hidden.py", b"", "a folder of caches"),
        ("hn_demo/inner/__pycache__/hidden.json", b"", "a folder of caches"),
        ("hn_demo/py.typed", b"hidden", "does not belong"),
        ("hn_other/__init__.py", b"", "does not belong"),
        ("hn_demo-1.data/scripts/run.py", b"", "does not belong"),
        ("hnnode_demo-1.0.0.dist-info/direct_url.json", b"", "does not belong"),
        ("hn_demo/bad.py", b"def (", "bad.py"),
        ("hn_demo/null.py", b"x = 1\0", "null.py"),
        ("hnnode_demo-1.0.0.dist-info/entry_points.txt", b"[hnnode.plugins]\ndemo = os:system\n", "entry_points"),
        ("hnnode_demo-1.0.0.dist-info/sbom.cdx.json", b"{}", "sbom"),
        ("hnnode_demo-1.0.0.dist-info/signatures.json", b"[]", "signatures.json"),
        ("hn_demo/hnplugin.toml", b"[plugin", "hnplugin.toml"),
    ],
)
def test_a_file_that_should_not_be_there_is_refused(
    package: PluginPackage, tmp_path: Path, where: str, content: bytes, text: str
) -> None:
    refused(rewritten(package, tmp_path, lambda files: files.update({where: content})), text)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("api_version = 1", "api_version = 2", "api_version: got 2"),
        ("metered = true", "metered = false", "metered"),
        ("state_version = 1", "state_version = 2", "without a migration"),
        ('name = "demo"', 'name = "evidence"', "plugin.name|entry"),
        ('version = "1.0.0"', 'version = "1"', "plugin.version"),
        ('entry = "hn_demo:plugin"', 'entry = "hn_other:plugin"', "code.entry"),
        ('item = "clear"', 'item = "secret"', "privacy"),
        ('licence = "Apache-2.0"', 'licence = "Apache-2.0"\nsurprise = 1', "surprise"),
    ],
)
def test_a_manifest_this_node_cannot_serve_is_refused(tmp_path: Path, old: str, new: str, text: str) -> None:
    root = source(tmp_path / "demo", MANIFEST.replace("[privacy]", "metered = true\n[privacy]").replace(old, new))
    with pytest.raises(ConfigError, match=text) as caught:
        build_package(root)
    assert caught.value.code == 4016


def test_a_reserved_name_or_one_of_another_vendor_is_refused(package: PluginPackage, tmp_path: Path) -> None:
    wheel = write_package(package, tmp_path)
    refused(wheel, "the name belongs to 'somebody' here", zh="属于“somebody”", owner_of=lambda _: "somebody")
    for owner in (None, "演示厂商"):
        assert read_package(wheel, TRUST, owner_of=lambda name, owner=owner: owner).name == "demo"  # type: ignore[misc]
    root = tmp_path / "governance"
    root.mkdir()
    source(root)
    (root / "hn_demo").rename(root / "hn_governance")
    manifest = root / "hn_governance" / "hnplugin.toml"
    manifest.write_text(MANIFEST.replace("hn_demo", "hn_governance").replace('"demo"', '"governance"'), "utf-8")
    with pytest.raises(ConfigError, match="reserved"):
        build_package(root)


def test_a_migration_that_is_there_is_found(tmp_path: Path) -> None:
    text = "class P:\n    def hn_migrations(self):\n        return []\n"
    root = source(tmp_path / "demo", MANIFEST.replace("state_version = 1", "state_version = 2"), plugin=text)
    assert build_package(root).manifest.plugin.state_version == 2


def test_a_wheel_under_another_name_is_refused(package: PluginPackage, tmp_path: Path) -> None:
    path = write_package(package, tmp_path)
    refused(path.rename(tmp_path / "hnnode_demo-2.0.0-py3-none-any.whl"), "want the file name")


def raw_zip(path: Path, entries: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    path.write_bytes(out.getvalue())
    return path


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil.py", "hn_demo/../../evil.py", "hn_demo\\evil.py", "evil.pth", "hn_demo/né.py"]
)
def test_a_path_outside_is_refused(tmp_path: Path, name: str) -> None:
    refused(raw_zip(tmp_path / "x.whl", [(zipfile.ZipInfo(name), b"")]), "plain path")


def test_links_duplicates_bombs_and_rubbish_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("hn_demo/link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(raw_zip(tmp_path / "link.whl", [(link, b"/etc/passwd")]), "not a regular file")
    twice = [(zipfile.ZipInfo("hn_demo/a.py"), b"1"), (zipfile.ZipInfo("hn_demo/A.py"), b"2")]
    refused(raw_zip(tmp_path / "twice.whl", twice), "twice")
    big = zipfile.ZipInfo("hn_demo/big.json")
    big.compress_type = zipfile.ZIP_DEFLATED
    refused(raw_zip(tmp_path / "bomb.whl", [(big, bytes(60 * 1024 * 1024))]), "unpacks to more")
    many = [(zipfile.ZipInfo(f"hn_demo/m{i}.py"), b"") for i in range(2_100)]
    refused(raw_zip(tmp_path / "many.whl", many), "files, want")
    (tmp_path / "rubbish.whl").write_bytes(b"rubbish")
    refused(tmp_path / "rubbish.whl", "not a readable zip")
    refused(tmp_path / "absent.whl", "No such file")


def test_content_that_record_does_not_know_is_refused(package: PluginPackage, tmp_path: Path) -> None:
    data = wheel_bytes(package.files, package.dist_info)
    path = tmp_path / package.wheel_name
    path.write_bytes(data.replace(b"plugin = object()", b"plugin = object ("))  # the zip's own checksum notices first
    refused(path, "not a readable zip")
    entries = [(zipfile.ZipInfo(name), content) for name, content in package.files.items()]
    refused(raw_zip(path, entries), "got 0 RECORD")
    record = (zipfile.ZipInfo(f"{package.dist_info}/RECORD"), b"hn_demo/__init__.py,sha256=AAAA,18\n")
    refused(raw_zip(path, [*entries, record]), "RECORD and content differ")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damaged_wheel_gets_through(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any changed byte is refused, or changes nothing that is read."""
    folder = tmp_path_factory.mktemp("damaged")
    made = build_package(source(folder / "demo"))
    for role, signer in (("vendor", VENDOR), ("operator", OPERATOR)):
        made = made.signed(sign(made.manifest, made.code_hash, role, signer))  # type: ignore[arg-type]
    path = write_package(made, folder)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with suppress(ConfigError):
        found = read_package(path, TRUST)
        assert (found.code_hash, found.code()) == (made.code_hash, made.code())


def test_a_trust_file_survives_being_written(tmp_path: Path) -> None:
    path = tmp_path / "plugins" / "trusted.toml"
    assert load_trust(path) == Trust()
    odd = Trust((*TRUST.key, TrustedKey('某厂 "甲"\n[[key]]', "vendor", STRANGER.public_key.hex())))
    save_trust(path, odd)
    assert load_trust(path) == odd
    path.write_text('[[key]]\nname = "x"\nrole = "vendor"\npublic_key = "04"\n', "utf-8")
    with pytest.raises(ConfigError, match=r"trusted\.toml"):
        load_trust(path)
    path.write_text('[[key]]\nname = "x"\nrole = "king"\npublic_key = "04"\n', "utf-8")
    with pytest.raises(ConfigError, match="role"):
        load_trust(path)


@given(st.binary(max_size=200))
def test_a_manifest_of_rubbish_is_refused_in_order(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(data)


def test_the_bill_of_materials_names_code_and_files(package: PluginPackage) -> None:
    bom = msgspec.json.decode(package.sbom)
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    files = {item["name"] for item in bom["components"] if item["type"] == "file"}
    assert files == set(package.code())
    assert package.code_hash.hex() in {item["value"] for item in bom["metadata"]["component"]["properties"]}


def test_code_among_caches_is_not_packed(tmp_path: Path) -> None:
    root = source(tmp_path / "demo")
    cache = root / "hn_demo" / "__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"cached")
    assert build_package(root).name == "demo"
    (cache / "hidden.py").write_text("x = 1\n", "utf-8")
    with pytest.raises(ConfigError, match=r"hn_demo/__pycache__/hidden\.py: code in a folder of caches"):
        build_package(root)


def test_versions_are_sorted_as_versions() -> None:
    versions = ["1.9.0", "1.10", "1.10.0.1", "1.11a2", "1.11b1", "1.11rc9", "1.11rc10", "1.11", "2.0"]
    assert sorted({*versions}, key=version_order) == versions
    assert version_order("1.2") == version_order("1.2.0")
    with pytest.raises(ManifestError, match="want a version"):
        version_order("1.x")
