"""The printable page of a certificate: A4, Chinese and English side by side, no script and no outside address.

The page is a function of the certificate alone and carries it, so that whoever has the page can have it checked: what
does not equal the page made again from the certificate inside was edited.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from html import escape

from hnnode_native import sm3

from hnnode.certificate.facts import CertificateFacts, name_of
from hnnode.errors import Rejected

PAGE_VERSION = 1
"""Rises with every change of the page's bytes: a page is compared with the one its own version makes."""
STATES = {
    "preserved": ("已存证", "preserved"),
    "cosigned": ("已会签", "co-signed"),
    "submitted": ("已提交法院", "submitted"),
    "match": ("核验一致", "verified: match"),
    "mismatch": ("核验不一致", "verified: mismatch"),
    "archived": ("已归档", "archived"),
}
_GENERATOR = "hnnode certificate "
_VERSION = re.compile(rb'<meta name="generator" content="hnnode certificate ([0-9]{1,6})">')
_BEIJING = timezone(timedelta(hours=8))
_INSIDE = re.compile(
    rb'<a id="bundle" download="[0-9a-f]{16}\.hncert" href="data:application/octet-stream;base64,([0-9A-Za-z+/=]+)">'
)
_STYLE = """
@page{size:A4;margin:15mm 15mm 18mm}
:root{color-scheme:light}
*{box-sizing:border-box}
body{font:10pt/1.45 "Noto Serif CJK SC","Source Han Serif SC","Songti SC","SimSun","Noto Serif",serif;color:#111;background:#fff;
max-width:188mm;margin:8mm auto;padding:0 4mm;overflow-wrap:anywhere}
header{text-align:center;border-bottom:1.2pt solid #8a1c1c;padding-bottom:3mm;margin-bottom:4mm}
h1{font-size:20pt;letter-spacing:.25em;text-indent:.25em;margin:0;color:#8a1c1c}
header p{margin:1mm 0 0;font-size:11pt}
h2{font-size:11pt;margin:4mm 0 1mm}
h2,.lead{break-after:avoid}
[lang=en]{color:#555;font-size:9pt;font-weight:400}
header [lang=en]{color:inherit;font-size:inherit}
section{break-inside:avoid}
section.long{break-inside:auto}
section.none{margin:3mm 0}
section.none>*{display:inline;margin-right:2mm}
p{margin:1mm 0}
table{border-collapse:collapse;width:100%;table-layout:fixed}
th,td{border:.6pt solid #999;padding:.9mm 2mm;text-align:left;vertical-align:top}
th{width:46mm;font-weight:600;background:#f5f3ef}
tr{break-inside:avoid}
thead th{width:auto}
thead th.by{width:84mm}
thead th.at{width:61mm}
.hex{font:9pt/1.5 "Noto Sans Mono","DejaVu Sans Mono","Consolas","Menlo",monospace}
.state{font-size:13pt}
.against{color:#a11212}
footer{margin-top:5mm;border-top:.6pt solid #999;padding-top:2mm;font-size:9pt;break-inside:avoid}
@media print{body{margin:0;padding:0;max-width:none}#bundle{display:none}*{print-color-adjust:exact}}
@media screen and (max-width:40em){table,tbody,tr,td,tbody th{display:block;width:auto}thead{display:none}
th,td{border:0}tr{border:.6pt solid #999}tr+tr{border-top:0}}
"""


def render(facts: CertificateFacts, certificate: bytes) -> bytes:
    """The page of a certificate that holds; `certificate` is its file. UTF-8."""
    digest = sm3(certificate).hex()
    link = base64.b64encode(certificate).decode("ascii")
    number = f"{facts.record.tx_id.hex()[:16]}-{facts.height}"
    parts = [
        "<!doctype html>",
        f'<html lang="zh-CN"><head><meta charset="utf-8"><meta name="generator" content="{_GENERATOR}{PAGE_VERSION}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>存证证明书 {number}</title><style>{_STYLE}{_on_each_sheet(number)}</style></head><body>",
        f"<header><h1>存证证明书</h1><p>{_en('Certificate of Evidence')}</p><p>编号 {_en('No.')} <b>{number}</b></p></header>",
        f"<section>{_table(_subject(facts))}</section>",
        _circumstances(facts),
        _cosignatures(facts),
        _case(facts),
        _correction(facts),
        _section("区块链证明", "What the chain proves", _table(_chain(facts))),
        _section(
            "离线核验",
            "Verify offline",
            f"<p>本证明书及其证明文件可离线核验，无需联网。 {_en('Page and file are checked without any network:')}</p>"
            f'<p class="hex">hnnode evidence verify CERTIFICATE --file FILE --chain-id {facts.chain_id.hex()}</p>'
            + _table([("证明文件 SM3", "Proof file", _hex(digest))])
            + f'<p><a id="bundle" download="{digest[:16]}.hncert" href="data:application/octet-stream;base64,{link}">'
            "下载证明文件 Download the file</a></p>",
        ),
        "<footer>上链后数据未被篡改由上述证明推定；上链前的真实性另行审查。文件本身不在链上。<br>",
        _en(
            "The proof shows that what is on the chain was not altered since; authenticity before is examined separately. "
            "The file itself is not on the chain."
        ),
        "</footer></body></html>\n",
    ]
    return "".join(parts).encode("utf-8")


def _on_each_sheet(number: str) -> str:
    """What stands under every printed sheet, so that sheets of one certificate stay together."""
    font = "font:8pt serif;color:#555"
    return (
        f'@page{{@bottom-left{{content:"存证证明书 {number}";{font}}}'
        f'@bottom-right{{content:counter(page) " / " counter(pages);{font}}}}}'
    )


def version_of(page: bytes) -> int:
    """Version that a page claims to have; 0 when it claims none."""
    found = _VERSION.search(page)
    return int(found[1]) if found else 0


def bundle_in(page: bytes) -> bytes:
    """The certificate that a page carries. Raises Rejected 5101."""
    found = _INSIDE.findall(page)
    if len(found) != 1:
        raise Rejected("PROOF_MALFORMED", "neither a certificate of evidence nor a page that carries one")
    try:
        return base64.b64decode(found[0], validate=True)
    except binascii.Error as e:
        raise Rejected("PROOF_MALFORMED", "page: the certificate inside is no base64") from e


Row = tuple[str, str, str]


def _subject(facts: CertificateFacts) -> list[Row]:
    record = facts.record
    return [
        ("状态", "State", _state(facts)),
        ("文件名称", "Name", _stated(_text(record.name))),
        ("摘要算法", "Algorithm", {"sm3": "SM3 (GB/T 32905)", "sha256": "SHA-256"}[record.algorithm]),
        ("文件摘要", "Hash", _hex(facts.digest.hex())),
        ("文件大小", "Size", _stated(f"{record.size:,} 字节 {_en('bytes')}" if record.size else "")),
        ("存证单位", "Preserved by", _who(facts, facts.owner)),
        ("存证时间", "Preserved at", _time(record.time_ms)),
        ("存证高度", "Block", str(record.height)),
        ("存证交易", "Transaction", _hex(record.tx_id.hex())),
        *([("续接存证", "Continues", _hex(record.previous.hex()))] if record.previous else []),
    ]


def _state(facts: CertificateFacts) -> str:
    """The furthest state, and beside it what a reader must not overlook: a court's finding, a correction."""
    said = [(*STATES[facts.state], facts.state == "mismatch")]
    if facts.case is not None and facts.case.item.finding is not None and facts.state == "archived":
        match = facts.case.item.finding.computed == facts.digest
        said.append((*STATES["match" if match else "mismatch"], not match))
    if facts.correction is not None:
        said.append(("已更正", "corrected", True))
    return " · ".join(f'<b class="state{" against" if bad else ""}">{zh}</b> {_en(en)}' for zh, en, bad in said)


def _circumstances(facts: CertificateFacts) -> str:
    found = facts.circumstances
    if found is None:
        return _section("取证环境", "Circumstances", f"<p>未记录。 {_en('None recorded.')}</p>", "none")
    listed: list[Row] = []
    if found.mime:
        listed.append(("媒体类型", "Media type", _text(found.mime)))
    if found.collector:
        listed.append(("采集者", "Collector", _text(found.collector)))
    if found.environment:
        listed.append(("环境摘要", "Environment", _hex(found.environment.hex())))
    if found.owner_ref:
        listed.append(("权属引用", "Owner reference", _hex(found.owner_ref.hex())))
    if found.token_time_ms is not None:
        issuer = f" · {_text(found.token_issuer)}" if found.token_issuer else ""
        listed.append(
            ("可信时间戳", "Time token", f"{_time(found.token_time_ms)}{issuer}<br>{_hex(found.token_hash.hex())}")
        )
    return _section("取证环境", "Circumstances", _table(listed))


def _cosignatures(facts: CertificateFacts) -> str:
    asked = ""
    if facts.policy is not None:
        needed, counted = facts.policy.policy.needed, facts.counted
        met = counted >= needed
        asked = (
            f'<p class="lead">要求至少 {needed} 个会签，计入 {counted} 个，{"已满足" if met else "未满足"}。 '
            + _en(f"At least {needed} asked for, {counted} count: {'met' if met else 'not met'}.")
            + "</p>"
        )
    if not facts.cosignatures:
        return _section("会签", "Co-signatures", f"{asked}<p>无。 {_en('None.')}</p>", "none")
    head = (
        f'<thead><tr><th class="by">会签单位 {_en("By")}</th><th>角色 {_en("Role")}</th>'
        f'<th class="at">时间 {_en("At")}</th></tr></thead>'
    )
    lines = "".join(
        f"<tr><td>{_who(facts, each.signer)}</td><td>{_text(each.record.role) or '–'}</td><td>{_time(each.record.time_ms)}</td></tr>"
        for each in facts.cosignatures
    )
    table = f"{asked}<table>{head}<tbody>{lines}</tbody></table>"
    return _section("会签", "Co-signatures", table, "long" if len(facts.cosignatures) > 8 else "")


def _case(facts: CertificateFacts) -> str:
    found = facts.case
    if found is None:
        return ""
    record, item = found.record, found.item
    phase = record.phases[item.phase] if item.phase < len(record.phases) else "–"
    listed: list[Row] = [
        ("事务名称", "Name", _stated(_text(record.name))),
        ("事务标识", "Case", _hex(found.case.hex())),
        ("法院", "Court", _who(facts, record.court)),
        ("提交时间", "Submitted at", _time(item.stamp.time_ms)),
        ("所处阶段", "Phase", _text(phase)),
    ]
    if item.finding is not None:
        match = item.finding.computed == facts.digest
        zh, en = STATES["match" if match else "mismatch"]
        shown = f'<b class="{"" if match else "against"}">{zh}</b> {_en(en)}'
        listed.append(("核验结果", "Finding", f"{shown} · {_time(item.finding.stamp.time_ms)}"))
        if not match:
            listed.append(("法院所得摘要", "Court's hash", _hex(item.finding.computed.hex())))
        if item.finding.report:
            listed.append(("核验报告 SM3", "Report", _hex(item.finding.report.hex())))
    if found.progress.archived is not None:
        listed.append(("归档时间", "Archived at", _time(found.progress.archived.time_ms)))
    return _section("事务", "Case", _table(listed))


def _correction(facts: CertificateFacts) -> str:
    found = facts.correction
    if found is None:
        none = f"<p>截至本证明，该存证未被更正。 {_en('Not corrected up to this certificate.')}</p>"
        return _section("更正", "Correction", none, "none")
    listed: list[Row] = [
        ("更正为", "Corrected by", _hex(found.by.hex())),
        ("更正时间", "At", _time(found.stamp.time_ms)),
        *([("理由摘要", "Reason", _hex(found.reason.hex()))] if found.reason else []),
    ]
    return _section("更正", "Correction", _table(listed))


def _chain(facts: CertificateFacts) -> list[Row]:
    quorum = f"{facts.signer_count} 个验证者，权重 {facts.signer_power}/{facts.total_power}"
    quorum_en = f"{facts.signer_count} validators, power {facts.signer_power} of {facts.total_power}"
    return [
        ("链", "Chain", _text(facts.chain_name)),
        ("链标识", "Chain id", _hex(facts.chain_id.hex())),
        ("证明高度", "Certified block", str(facts.height)),
        ("区块哈希", "Block hash", _hex(facts.block_hash.hex())),
        ("区块时间", "Block time", _time(facts.time_ms)),
        ("签署", "Signed by", f"{quorum} {_en(quorum_en)}"),
    ]


def _section(zh: str, en: str, body: str, kind: str = "") -> str:
    """A part under its heading, on one sheet unless its kind is `long`; `none`: a line that says there is nothing."""
    return f'<section class="{kind}"><h2>{zh} {_en(en)}</h2>{body}</section>'


def _table(listed: Iterable[Row]) -> str:
    lines = "".join(f"<tr><th>{zh} {_en(en)}</th><td>{value}</td></tr>" for zh, en, value in listed)
    return f"<table><tbody>{lines}</tbody></table>"


def _en(text: str) -> str:
    """The English beside the Chinese."""
    return f'<span lang="en">{text}</span>'


def _stated(value: str) -> str:
    return value or f"未声明 {_en('not stated')}"


def _text(value: str) -> str:
    """Somebody's words: escaped, and unable to turn the text around them."""
    return f"<bdi>{escape(value)}</bdi>" if value else ""


def _hex(value: str) -> str:
    return f'<span class="hex">{value}</span>'


def _who(facts: CertificateFacts, account: bytes) -> str:
    organisation = _text(name_of(facts, account))
    return f"{organisation}{'<br>' if organisation else ''}{_hex(account.hex())}"


def _time(time_ms: int) -> str:
    """Beijing time with milliseconds; a number when no calendar has it."""
    try:
        moment = datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(_BEIJING)
    except (OverflowError, OSError, ValueError):
        return f"{time_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03} (UTC+8)"
