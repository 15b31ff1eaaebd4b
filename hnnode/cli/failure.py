"""From an error to one line on stderr and an exit code."""

from __future__ import annotations

from hnnode.cli.language import say
from hnnode.cli.rules import words_of
from hnnode.details import in_chinese, system_reason
from hnnode.errors import CODES, ERRORS, ErrorInfo, HnError

OK, ERROR, USAGE, NOT_FOUND, REJECTED, TIMEOUT, UNAVAILABLE = range(7)
INTERRUPTED = 130

EXIT_TEXTS: tuple[tuple[int, str, str], ...] = (
    (OK, "成功", "done"),
    (ERROR, "出错", "error"),
    (USAGE, "用法错误", "wrong usage"),
    (NOT_FOUND, "未找到", "not found"),
    (REJECTED, "被拒绝（规则、签名、权限、证明不成立）", "rejected (rule, signature, permission, proof does not hold)"),
    (TIMEOUT, "超时，结果未知", "timed out, the result is unknown"),
    (UNAVAILABLE, "不可用或已满，可重试", "unavailable or full, retry"),
)

_LOCAL = {
    "KEY_FILE_INVALID",
    "KEY_FILE_PERMISSIONS",
    "PUBLIC_KEY_INVALID",
    "CONFIG_INVALID",
    "GENESIS_INVALID",
    "PORT_BUSY",
}
_LOCAL |= {"PREREQUISITE_MISSING", "INTERNAL_ERROR", "PLUGIN_PACKAGE_INVALID", "PLUGIN_SET_INVALID"}


NEXT: dict[str, tuple[str, str]] = {
    "ACCOUNT_UNKNOWN": (
        "hnnode key request NAME 生成申请，由管理员提交：hnnode tx submit identity register -p @FILE",
        "hnnode key request NAME writes a request; an administrator submits it: hnnode tx submit identity register -p @FILE",
    ),
    "ROLE_MISSING": (
        "hnnode plugin show APPLICATION 列出各动作的角色",
        "hnnode plugin show APPLICATION lists each action's roles",
    ),
    "APPLICATION_UNKNOWN": ("hnnode plugin list 列出应用", "hnnode plugin list shows the applications"),
    "APPLICATION_DISABLED": (
        "hnnode plugin proposals 列出停用的提案；hnnode plugin enable NAME 提议重新启用",
        "hnnode plugin proposals shows what disabled it; hnnode plugin enable NAME proposes the way back",
    ),
    "APPLICATION_MIGRATING": (
        "hnnode plugin info NAME 显示进度，结束后再提交",
        "hnnode plugin info NAME shows how far it is; submit again afterwards",
    ),
    "ACTION_UNKNOWN": ("hnnode plugin show APPLICATION 列出动作", "hnnode plugin show APPLICATION lists the actions"),
    "PAYLOAD_INVALID": (
        "hnnode plugin show APPLICATION --schema 给出各动作的载荷格式",
        "hnnode plugin show APPLICATION --schema has the schema of each payload",
    ),
    "QUERY_UNKNOWN": ("hnnode plugin show APPLICATION 列出查询", "hnnode plugin show APPLICATION lists the queries"),
    "NODE_UNREACHABLE": (
        "hnnode doctor 检查节点；--node URL 指定另一个",
        "hnnode doctor looks at the node; --node URL names another",
    ),
    "TX_EXPIRED": (
        "原交易不会再上链，可重新签名提交",
        "the old one never gets onto the chain: sign and submit it again",
    ),
    "TIMEOUT": (
        "hnnode tx wait TX_ID 等待结果；原样重发无害",
        "hnnode tx wait TX_ID waits for the result; sending the same bytes again is harmless",
    ),
    "DATABASE_LOCKED": ("先停止节点：hnnode stop --home DIR", "stop the node first: hnnode stop --home DIR"),
}
"""What to do about an error that says it nowhere else, by the error's name."""


def exit_code(code: int) -> int:
    """Exit code of an error code; 0 stays 0, an unknown number is a plain error."""
    if code == 0:
        return OK
    info = ERRORS.get(code)
    if info is None or info.name in _LOCAL:
        return ERROR
    if info.name == "TIMEOUT":
        return TIMEOUT
    if info.name in ("PARAMETER_INVALID", "QUERY_TOO_BROAD"):
        return USAGE
    if info.http == 404:
        return NOT_FOUND
    if info.http in (429, 503):
        return UNAVAILABLE
    # What is left is a refusal of what the caller sent, except faults between nodes, which a command never meets.
    return REJECTED if 1000 <= code < 5030 or 5100 <= code < 5200 else ERROR


def title(info: ErrorInfo) -> str:
    return say(info.zh, info.en)


def line(code: int, detail: str = "", rule: str = "", words: str = "") -> str:
    """`2008 SIGNATURE_INVALID signature is invalid: detail [rule: what it says]`."""
    info = ERRORS.get(code)
    if info is None:
        return f"{code} {detail}".strip()
    text = f"{info.code} {info.name} {title(info)}"
    if detail and detail not in (info.en, info.zh):
        text += f": {detail}"
    said = f"{rule}: {words}" if words else rule
    return f"{text} [{said}]" if rule else text


def describe(error: BaseException) -> tuple[str, int]:
    """(line, exit code) of an error that a verb may raise; raises TypeError for one that is a defect."""
    if isinstance(error, HnError):
        words = words_of(error.rule) if error.rule else ""
        return line(error.code, say(error.detail_zh, error.detail), error.rule, words), exit_code(error.code)
    code = getattr(error, "code", None)
    if isinstance(code, int) and type(error).__name__ == "NativeError":
        return line(code, say(in_chinese(str(error)), str(error))), exit_code(code)
    if isinstance(error, OSError):
        path = error.filename if isinstance(error.filename, str) else ""
        said = error.strerror or str(error)
        reason = say(system_reason(said), said)
        return (f"{path}: {reason}" if path else reason), ERROR
    raise TypeError(type(error).__name__)


def advice(error: BaseException) -> str:
    """The next step after an error; empty where its own text says it or there is none to name."""
    info = ERRORS.get(getattr(error, "code", -1))
    return say(*NEXT[info.name]) if info is not None and info.name in NEXT else ""


def code_named(name: str) -> int:
    return CODES[name]
