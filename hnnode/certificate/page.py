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
_BEIJING = timezone(timedelta(hours=8))
_INSIDE = re.compile(
    rb'<a id="bundle" download="[0-9a-f]{16}\.hncert" href="data:application/octet-stream;base64,([0-9A-Za-z+/=]+)">'
)
_STYLE = """
@page{size:A4;margin:16mm 15mm}
*{box-sizing:border-box}
body{font:10.5pt/1.45 "Noto Serif CJK SC","Source Han Serif SC","SimSun","Noto Serif",serif;color:#111;background:#fff;
max-width:180mm;margin:8mm auto;padding:0 4mm}
header{text-align:center;border-bottom:1.2pt solid #8a1c1c;padding-bottom:3mm;margin-bottom:5mm}
h1{font-size:20pt;letter-spacing:.25em;margin:0;color:#8a1c1c}
header p{margin:1mm 0 0;font-size:11pt}
h2{font-size:11.5pt;margin:5mm 0 1.5mm;break-after:avoid}
h2 span,td span,th span,p span{color:#555;font-size:9pt;font-weight:400}
table{border-collapse:collapse;width:100%;table-layout:fixed}
th,td{border:.6pt solid #999;padding:1.2mm 2mm;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{width:38mm;font-weight:600;background:#f5f3ef}
tr{break-inside:avoid}
thead th{width:auto}
.hex{font:9pt/1.4 "Noto Sans Mono","DejaVu Sans Mono","Consolas",monospace}
.state{font-size:13pt;font-weight:700}
footer{margin-top:6mm;border-top:.6pt solid #999;padding-top:2mm;font-size:9pt}
@media print{body{margin:0;padding:0;max-width:none}#bundle{display:none}*{print-color-adjust:exact}}
"""


def render(facts: CertificateFacts, certificate: bytes) -> bytes:
    """The page of a certificate that holds; `certificate` is its file. UTF-8."""
    digest = sm3(certificate).hex()
    link = base64.b64encode(certificate).decode("ascii")
    state_zh, state_en = STATES[facts.state]
    number = f"{facts.record.tx_id.hex()[:16]}-{facts.height}"
    parts = [
        "<!doctype html>",
        f'<html lang="zh-CN"><head><meta charset="utf-8"><meta name="generator" content="hnnode certificate {PAGE_VERSION}">',
        f"<title>存证证明书 {number}</title><style>{_STYLE}</style></head><body>",
        f"<header><h1>存证证明书</h1><p>Certificate of Evidence</p><p>编号 No. <b>{number}</b></p></header>",
        _table(_subject(facts, state_zh, state_en)),
        _circumstances(facts),
        _cosignatures(facts),
        _case(facts),
        _correction(facts),
        _heading("区块链证明", "What the chain proves"),
        _table(_chain(facts)),
        _heading("离线核验", "Verify offline"),
        "<p>本证明书及其证明文件可离线核验，无需联网：<span>Page and file are checked without any network:</span></p>",
        '<p class="hex">hnnode evidence verify CERTIFICATE --file FILE --chain-id ' + facts.chain_id.hex() + "</p>",
        _table([("证明文件 SM3", "SM3 of the file", _hex(digest))]),
        f'<p><a id="bundle" download="{digest[:16]}.hncert" href="data:application/octet-stream;base64,{link}">',
        "下载证明文件 Download the file</a></p>",
        "<footer>上链后数据未被篡改由上述证明推定；上链前的真实性另行审查。文件本身不在链上。"
        "<br>The proof shows that what is on the chain was not altered since; authenticity before is examined separately. "
        "The file itself is not on the chain.</footer>",
        "</body></html>\n",
    ]
    return "".join(parts).encode("utf-8")


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


def _subject(facts: CertificateFacts, state_zh: str, state_en: str) -> list[Row]:
    record = facts.record
    size = f"{record.size} 字节 bytes" if record.size else "未声明 not stated"
    return [
        ("状态", "State", f'<b class="state">{state_zh}</b> <span>{state_en}</span>'),
        ("文件名称", "Name", _text(record.name) or "未声明 not stated"),
        ("摘要算法", "Algorithm", {"sm3": "SM3 (GB/T 32905)", "sha256": "SHA-256"}[record.algorithm]),
        ("文件摘要", "Hash", _hex(facts.digest.hex())),
        ("文件大小", "Size", size),
        ("存证单位", "Preserved by", _who(facts, facts.owner)),
        ("存证时间", "Preserved at", _time(record.time_ms)),
        ("存证高度", "Block", str(record.height)),
        ("存证交易", "Transaction", _hex(record.tx_id.hex())),
        *([("续接存证", "Continues", _hex(record.previous.hex()))] if record.previous else []),
    ]


def _circumstances(facts: CertificateFacts) -> str:
    found = facts.circumstances
    heading = _heading("取证环境", "Circumstances")
    if found is None:
        return heading + "<p>未记录。 <span>None recorded.</span></p>"
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
    return heading + _table(listed)


def _cosignatures(facts: CertificateFacts) -> str:
    heading = _heading("会签", "Co-signatures")
    asked = ""
    if facts.policy is not None:
        policy = facts.policy.policy
        met = facts.counted >= policy.needed
        asked = (
            f"<p>要求至少 {policy.needed} 个会签，计入 {facts.counted} 个，{'已满足' if met else '未满足'}。 "
            f"<span>At least {policy.needed} asked for, {facts.counted} count: {'met' if met else 'not met'}.</span></p>"
        )
    if not facts.cosignatures:
        return heading + asked + "<p>无。 <span>None.</span></p>"
    head = "<thead><tr><th>会签单位 <span>By</span></th><th>角色 <span>Role</span></th><th>时间 <span>At</span></th></tr></thead>"
    lines = "".join(
        f"<tr><td>{_who(facts, each.signer)}</td><td>{_text(each.record.role) or '–'}</td><td>{_time(each.record.time_ms)}</td></tr>"
        for each in facts.cosignatures
    )
    return f"{heading}{asked}<table>{head}<tbody>{lines}</tbody></table>"


def _case(facts: CertificateFacts) -> str:
    found = facts.case
    if found is None:
        return ""
    record, item = found.record, found.item
    phase = record.phases[item.phase] if item.phase < len(record.phases) else "–"
    listed: list[Row] = [
        ("事务名称", "Name", _text(record.name) or "未声明 not stated"),
        ("事务标识", "Case", _hex(found.case.hex())),
        ("法院", "Court", _who(facts, record.court)),
        ("提交时间", "Submitted at", _time(item.stamp.time_ms)),
        ("所处阶段", "Phase", _text(phase)),
    ]
    if item.finding is not None:
        match = item.finding.computed == facts.digest
        zh, en = STATES["match" if match else "mismatch"]
        listed.append(("核验结果", "Finding", f"<b>{zh}</b> <span>{en}</span> · {_time(item.finding.stamp.time_ms)}"))
        if not match:
            listed.append(("法院所得摘要", "Hash the court got", _hex(item.finding.computed.hex())))
        if item.finding.report:
            listed.append(("核验报告 SM3", "Report", _hex(item.finding.report.hex())))
    if found.progress.archived is not None:
        listed.append(("归档时间", "Archived at", _time(found.progress.archived.time_ms)))
    return _heading("事务", "Case") + _table(listed)


def _correction(facts: CertificateFacts) -> str:
    found = facts.correction
    if found is None:
        return (
            _heading("更正", "Correction")
            + "<p>截至本证明，该存证未被更正。 <span>Not corrected up to this certificate.</span></p>"
        )
    listed: list[Row] = [
        ("更正为", "Corrected by", _hex(found.by.hex())),
        ("更正时间", "At", _time(found.stamp.time_ms)),
        *([("理由摘要", "Reason", _hex(found.reason.hex()))] if found.reason else []),
    ]
    return _heading("更正", "Correction") + _table(listed)


def _chain(facts: CertificateFacts) -> list[Row]:
    quorum = f"{facts.signer_count} 个验证者，权重 {facts.signer_power}/{facts.total_power}"
    quorum_en = f"{facts.signer_count} validators, power {facts.signer_power} of {facts.total_power}"
    return [
        ("链", "Chain", _text(facts.chain_name)),
        ("链标识", "Chain id", _hex(facts.chain_id.hex())),
        ("证明高度", "Certified block", str(facts.height)),
        ("区块哈希", "Block hash", _hex(facts.block_hash.hex())),
        ("区块时间", "Block time", _time(facts.time_ms)),
        ("签署", "Signed by", f"{quorum} <span>{quorum_en}</span>"),
    ]


def _heading(zh: str, en: str) -> str:
    return f"<h2>{zh} <span>{en}</span></h2>"


def _table(listed: Iterable[Row]) -> str:
    lines = "".join(f"<tr><th>{zh}<br><span>{en}</span></th><td>{value}</td></tr>" for zh, en, value in listed)
    return f"<table><tbody>{lines}</tbody></table>"


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
