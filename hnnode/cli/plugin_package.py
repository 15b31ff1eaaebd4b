"""`hnnode plugin pack`, `sign`, `trust`: the package of a plugin and whose signatures on it count."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from hnnode_native import account_of

from hnnode.cli import passphrase
from hnnode.cli.language import current, say, two
from hnnode.cli.options import HomeOption, KeyDirOption, OutputOption, PassphraseFdOption, example, optional
from hnnode.cli.output import Format, columns, emit, grid, notes
from hnnode.cli.plugin_kit import CountedOption, PathArgument
from hnnode.cli.session import key_path, node_home
from hnnode.crypto import read_public_key_file
from hnnode.errors import ConfigError

if TYPE_CHECKING:  # opening these rooms takes time that most verbs need not spend
    from hnnode.packaging import PluginPackage


class SignRole(StrEnum):
    vendor = "vendor"
    operator = "operator"


WheelArgument = Annotated[Path, typer.Argument(metavar="WHEEL", help=two("插件包", "the plugin's wheel"))]
VendorKeyOption = Annotated[
    str | None,
    optional("--vendor-key", metavar="NAME|FILE", help=two("厂商签名密钥", "the vendor's key to sign with")),
]
AsOption = Annotated[
    SignRole,
    typer.Option("--as", metavar="vendor|operator", help=two("以谁的身份", "in whose name")),
]


def pack(
    path: PathArgument = Path(),
    vendor_key: VendorKeyOption = None,
    to: Annotated[
        Path | None,
        optional("--to", metavar="DIR", help=two("输出目录，默认 PATH/dist", "where to, default PATH/dist")),
    ] = None,
    counted: CountedOption = False,
    passphrase_fd: PassphraseFdOption = None,
    directory: KeyDirOption = None,
    output: OutputOption = Format.table,
) -> None:
    import tempfile
    from contextlib import closing

    from hnnode.execution.registered import encode_registered
    from hnnode.kit.check import check_project
    from hnnode.kit.findings import failed
    from hnnode.kit.project import Project, table_of
    from hnnode.packaging import build_package, sign, write_package

    opened = Project.open(path)
    with tempfile.TemporaryDirectory(prefix="hn-pack-") as folder:
        project = opened.counted(Path(folder)) if counted else opened
        findings = check_project(project)
        if failed(findings):
            sys.stderr.write("".join(finding.text(current()) + "\n" for finding in findings))
            raise ConfigError("PLUGIN_PACKAGE_INVALID", say("检查未通过", "hnnode plugin check found errors"))
        with closing(project.host()) as host:
            package = build_package(project.root, encode_registered(table_of(host, project.name)))
    if vendor_key is not None:
        signer = passphrase.open_signer(key_path(vendor_key, directory), passphrase_fd)
        package = package.signed(sign(package.manifest, package.code_hash, "vendor", signer))
    wheel = write_package(package, to or opened.root / "dist")
    _show_package(package, wheel, output)
    if not package.signatures:
        notes().print(
            say(
                f"尚未签名：hnnode plugin sign {wheel} --as vendor --key NAME",
                f"not signed yet: hnnode plugin sign {wheel} --as vendor --key NAME",
            ),
            style="yellow",
            markup=False,
        )


def _show_package(package: PluginPackage, wheel: Path, output: Format) -> None:
    facts = {
        "wheel": str(wheel),
        "name": package.name,
        "version": package.version,
        "state_version": package.manifest.plugin.state_version,
        "code_hash": package.code_hash.hex(),
        "bytes": wheel.stat().st_size,
        "signatures": [
            {"role": each.role, "account": account_of(bytes.fromhex(each.public_key)).hex()}
            for each in package.signatures
        ],
    }
    signed = " ".join(f"{each.role}" for each in package.signatures) or say("无", "none")
    rows = [
        (say("插件包", "wheel"), facts["wheel"]),
        (say("名称与版本", "name and version"), f"{package.name} {package.version}"),
        (say("代码摘要", "code hash"), facts["code_hash"]),
        (say("字节", "bytes"), facts["bytes"]),
        (say("签名", "signatures"), signed),
    ]
    emit(output, {"package": facts}, lambda: grid(rows))


def sign_wheel(
    wheel: WheelArgument,
    key: Annotated[str, typer.Option("--key", "-k", metavar="NAME|FILE", help=two("签名密钥", "the key to sign with"))],
    role: AsOption = SignRole.operator,
    passphrase_fd: PassphraseFdOption = None,
    directory: KeyDirOption = None,
    output: OutputOption = Format.table,
) -> None:
    from hnnode.packaging import read_package, sign, write_package

    package = read_package(wheel, None)
    signer = passphrase.open_signer(key_path(key, directory), passphrase_fd)
    signed = package.signed(sign(package.manifest, package.code_hash, role.value, signer))
    _show_package(signed, write_package(signed, wheel.parent), output)


def trust(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|HEX]",
            show_default=False,
            help=two(
                "公钥文件或 130 位十六进制；不写则列出",
                "public key file or 130 hex digits; without one they are listed",
            ),
        ),
    ] = None,
    role: AsOption = SignRole.vendor,
    name: Annotated[str | None, optional("--name", metavar="TEXT", help=two("密钥属于谁", "whose key it is"))] = None,
    remove: Annotated[bool, typer.Option("--remove", help=two("不再信任它", "trust it no longer"))] = False,
    home: HomeOption = None,
    output: OutputOption = Format.table,
) -> None:
    from hnnode.packaging import TRUST_NAME, Trust, TrustedKey, load_trust, save_trust

    file = node_home(home) / "plugins" / TRUST_NAME
    trusted = load_trust(file)
    if key is not None:
        public_key = _public_key(key).hex()
        kept = [each for each in trusted.key if (each.role, each.public_key) != (role.value, public_key)]
        if not remove:
            kept.append(TrustedKey(name or account_of(bytes.fromhex(public_key)).hex(), role.value, public_key))
        trusted = Trust(tuple(sorted(kept, key=lambda each: (each.role, each.name))))
        save_trust(file, trusted)
    rows = [
        {"role": each.role, "name": each.name, "account": account_of(bytes.fromhex(each.public_key)).hex()}
        for each in trusted.key
    ]
    titles = [say("身份", "role"), say("名称", "name"), say("账户", "account")]
    emit(output, {"file": str(file), "keys": rows}, lambda: columns(titles, [list(row.values()) for row in rows]))


def _public_key(text: str) -> bytes:
    if len(text) == 130 and not Path(text).exists():
        try:
            return bytes.fromhex(text)
        except ValueError as e:
            raise ConfigError("PUBLIC_KEY_INVALID", text[:40]) from e
    return read_public_key_file(Path(text))


def register(application: typer.Typer) -> None:
    """Attach the verbs of packages to `hnnode plugin`."""
    application.command(
        "pack",
        help=two("打包：代码、清单、SBOM、签名", "pack: wheel, manifest, SBOM, signatures"),
        epilog=example("hnnode plugin pack --vendor-key vendor"),
    )(pack)
    application.command(
        "sign",
        help=two("给插件包加签名", "add a signature to a package"),
        epilog=example("hnnode plugin sign hnnode_demo-0.1.0-py3-none-any.whl --key operator"),
    )(sign_wheel)
    application.command(
        "trust",
        help=two("本节点信任谁签名的插件包", "whose signatures on packages this node trusts"),
        epilog=example(
            "hnnode plugin trust vendor.pub --as vendor --name Vendor --home net/node0",
            "hnnode plugin trust --home net/node0",
        ),
    )(trust)
