"""`hnnode plugin new`, `check`, `test`, `pack`, `sign`, `trust`, `docs`, `dev`: the vendor's side of a plugin."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from hnnode_native import account_of

from hnnode.cli import failure, passphrase
from hnnode.cli.language import current, say, two
from hnnode.cli.options import HomeOption, KeyDirOption, OutputOption, PassphraseFdOption, example, optional
from hnnode.cli.output import Format, columns, console, emit, grid, notes
from hnnode.cli.session import key_path, node_home
from hnnode.crypto import read_public_key_file
from hnnode.errors import ConfigError

if TYPE_CHECKING:  # opening these rooms takes time that most verbs need not spend
    from hnnode.kit.findings import Finding
    from hnnode.packaging import PluginPackage


class Kind(StrEnum):
    status = "status"
    evidence = "evidence"
    coldchain = "coldchain"


class ReportFormat(StrEnum):
    text = "text"
    json = "json"
    sarif = "sarif"


class SignRole(StrEnum):
    vendor = "vendor"
    operator = "operator"


PathArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        show_default=False,
        help=two("插件目录，默认当前目录", "folder of the plugin, default: this one"),
    ),
]
WheelArgument = Annotated[Path, typer.Argument(metavar="WHEEL", help=two("插件包", "the plugin's wheel"))]
CountedOption = Annotated[
    bool,
    typer.Option(
        "--counted",
        help=two("按计步的代码处理，无论清单怎么写", "take the code as counted, whatever its manifest says"),
    ),
]
VendorKeyOption = Annotated[
    str | None,
    optional("--vendor-key", metavar="NAME|FILE", help=two("厂商签名密钥", "the vendor's key to sign with")),
]
AsOption = Annotated[
    SignRole,
    typer.Option("--as", metavar="vendor|operator", help=two("以谁的身份", "in whose name")),
]


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help=two("应用名，小写", "name of the application, lower case"))
    ],
    like: Annotated[
        Kind,
        typer.Option(
            "--like",
            help=two(
                "样板：status 状态表，evidence 最小，coldchain 交接与守恒",
                "to start from: status has a status table, evidence is the smallest, coldchain hands over and conserves",
            ),
        ),
    ] = Kind.status,
    title_zh: Annotated[
        str | None, optional("--title-zh", metavar="TEXT", help=two("中文名称", "title in Chinese"))
    ] = None,
    title_en: Annotated[
        str | None, optional("--title-en", metavar="TEXT", help=two("英文名称", "title in English"))
    ] = None,
    vendor: Annotated[
        str,
        typer.Option("--vendor", metavar="TEXT", help=two("厂商名称或统一社会信用代码", "the vendor's name or code")),
    ] = "unnamed vendor",
    to: Annotated[
        Path | None, optional("--to", metavar="DIR", help=two("目录，默认 NAME", "folder to make, default NAME"))
    ] = None,
) -> None:
    from hnnode.kit.scaffold import Names, make_project

    folder = Path(name) if to is None else to
    plain = name.replace("_", " ").capitalize()
    written = make_project(folder, Names(name, title_zh or f"{name} 应用", title_en or plain, vendor), like.value)
    console().print(
        say(f"已生成 {folder}：{len(written)} 个文件", f"made {folder}: {len(written)} files"), markup=False
    )
    for line in (f"cd {folder}", "hnnode plugin test", "hnnode plugin check", "hnnode plugin pack"):
        console().print(f"  {line}", markup=False)


def check(
    path: PathArgument = Path(),
    against: Annotated[
        Path | None,
        optional("--against", metavar="WHEEL", help=two("与更早的包比较", "compare with an earlier package")),
    ] = None,
    format: Annotated[
        ReportFormat, typer.Option("--format", help=two("报告格式", "form of the report"))
    ] = ReportFormat.text,
    to: Annotated[
        Path | None, optional("--to", metavar="FILE", help=two("报告写入文件", "write the report there"))
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help=two("警告也算失败", "fail on warnings too"))] = False,
    counted: CountedOption = False,
) -> None:
    import tempfile

    from hnnode.kit.check import check_project
    from hnnode.kit.findings import failed
    from hnnode.kit.project import Project
    from hnnode.kit.versions import unpack
    from hnnode.packaging import read_package

    older = None if against is None else read_package(against, None)
    with tempfile.TemporaryDirectory(prefix="hn-check-") as folder:
        if path.suffix == ".whl":
            project = unpack(read_package(path, None), Path(folder))
        else:
            project = Project.open(path)
            project = project.counted(Path(folder)) if counted else project
        findings = check_project(project, older)
    text = _report(findings, format)
    if to is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, "utf-8")
    errors = sum(finding.rule.level == "error" for finding in findings)
    warnings = sum(finding.rule.level == "warning" for finding in findings)
    notes().print(say(f"错误 {errors}，警告 {warnings}", f"errors: {errors}, warnings: {warnings}"))
    if failed(findings, strict=strict):
        raise typer.Exit(failure.ERROR)


def _report(findings: list[Finding], format: ReportFormat) -> str:
    from hnnode.kit.findings import as_json, as_sarif

    if format is ReportFormat.text:
        return "".join(finding.text(current()) + "\n" for finding in findings)
    data = as_json(findings) if format is ReportFormat.json else as_sarif(findings, current())
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"


def run_plugin_tests(
    path: PathArgument = Path(),
    nodes: Annotated[
        int, typer.Option("--nodes", min=1, max=4, help=two("fixture chain 的节点数", "nodes of the fixture chain"))
    ] = 1,
    twice: Annotated[
        bool,
        typer.Option(
            "--twice/--once",
            help=two("在两个不同的进程环境中各跑一遍并比较", "run in two processes that differ, and compare"),
        ),
    ] = True,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, max=2**31, help=two("多节点网络的种子", "seed of the network between nodes")),
    ] = 0,
    record: Annotated[
        Path | None,
        optional("--record", metavar="FILE", help=two("记下链上发生的一切", "write down what happened on the chains")),
    ] = None,
    replay: Annotated[
        Path | None,
        optional(
            "--replay",
            metavar="FILE",
            help=two("与以前记下的比较，须完全相同", "compare with what was recorded before; it must be the same"),
        ),
    ] = None,
    select: Annotated[
        str | None, optional("-k", metavar="EXPRESSION", help=two("只跑匹配的测试", "only the tests that match"))
    ] = None,
) -> None:
    from hnnode.kit.project import Project
    from hnnode.kit.testing import run_tests

    project = Project.open(path)
    started = time.monotonic()
    arguments = () if select is None else ("-k", select)
    report = run_tests(project, nodes=nodes, twice=twice, seed=seed, record=record, replay=replay, arguments=arguments)
    if report.output:
        notes().print(say("第二次运行失败：", "the second run failed:"), style="red")
        notes().print(report.output[-8_000:], markup=False)
    if report.costs:
        titles = [
            say("动作", "action"),
            say("交易", "txs"),
            say("拒绝", "refused"),
            say("最多步数", "most steps"),
            "µs",
        ]
        rows = [[c.action, c.tx_count, c.refused_count, c.steps_max, f"{c.us:.1f}"] for c in report.costs]
        console().print(columns(titles, rows))
    for each in report.differences:
        text = say(each.zh, each.en)
        notes().print(f"{each.test}: {each.place}: {text}", style="red", markup=False)
    seconds = f"{time.monotonic() - started:.1f}"
    if not report.ok:
        notes().print(say(f"未通过，用时 {seconds} 秒", f"failed after {seconds} s"), style="bold red")
        raise typer.Exit(failure.ERROR)
    how = say("两次运行结果相同", "both runs agree") if report.runs == 2 else say("只运行一次", "run once")
    notes().print(say(f"通过，{how}，用时 {seconds} 秒", f"passed, {how}, {seconds} s"), style="bold green")


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


def docs(
    path: PathArgument = Path(),
    to: Annotated[
        Path | None,
        optional(
            "--to", metavar="DIR", help=two("输出目录，默认 PATH/build/docs", "where to, default PATH/build/docs")
        ),
    ] = None,
) -> None:
    from hnnode.kit.docs import write_pages
    from hnnode.kit.project import Project

    project = Project.open(path)
    for written in write_pages(project, to or project.root / "build" / "docs"):
        console().print(str(written), markup=False)


def dev(
    path: PathArgument = Path(),
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--fresh",
            help=two(
                "代码变化后保留状态（升级）还是新开一条链",
                "when the code changes keep the state (an upgrade), or start a new chain",
            ),
        ),
    ] = True,
) -> None:
    from hnnode.cli.plugin_dev import run_dev

    run_dev(path, keep=keep)


def register(application: typer.Typer) -> None:
    """Attach the verbs of the kit to `hnnode plugin`."""
    application.command(
        "new",
        help=two("生成一个新插件，其测试立即通过", "make a new plugin whose tests pass at once"),
        epilog=example('hnnode plugin new demo --title-en "Item desk" --vendor "Demo Ltd"'),
    )(new)
    application.command(
        "check",
        help=two(
            "检查插件：清单、确定性、隐私、schema 与依赖", "check manifest, determinism, privacy, schemas, dependencies"
        ),
        epilog=example("hnnode plugin check --against dist/hnnode_demo-0.1.0-py3-none-any.whl"),
    )(check)
    application.command(
        "test",
        help=two("运行插件的测试，共两遍，结果须一致", "run the plugin's tests, twice"),
        epilog=example("hnnode plugin test", "hnnode plugin test --nodes 4 --once --record before.jsonl"),
    )(run_plugin_tests)
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
    application.command(
        "docs", help=two("生成说明页（HTML 与 Markdown）", "write the page of the plugin (HTML, Markdown)")
    )(docs)
    application.command(
        "dev",
        help=two("单节点链，保存文件后重新加载", "a one-node chain that reloads the plugin on every save"),
    )(dev)
