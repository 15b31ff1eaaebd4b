"""Words that the node's answers carry in English, in the language of this process. What is not known here is shown as it came."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from hnnode.cli.language import current, say
from hnnode.details import in_chinese

_TX_STATES = {
    "pending": "待上链",
    "committed": "已上链",
    "failed": "已上链，执行失败",
    "expired": "已过期",
    "rejected": "被拒绝",
    "unknown": "未知",
}
_FACTS = {
    "home": "目录",
    "name": "名称",
    "public_key": "公钥",
    "account": "账户",
    "chain_id": "链标识",
    "file": "文件",
    "validators": "验证者",
    "accounts": "账户数",
    "domain": "域",
    "epoch": "密钥期",
    "reference": "引用",
    "kind": "种类",
    "schema": "记录类型",
    "row_id": "记录编号",
    "field": "字段",
    "value": "值",
    "hash": "摘要",
    "case": "事务",
}
_STEPS = {
    "idle": "空闲",
    "propose": "提案",
    "prevote": "预投票",
    "precommit": "预提交",
    "decided": "已决定",
    "halted": "已停止",
}
_ENDED = re.compile(r"(.+) \((killed by signal [0-9]+|left with code [0-9]+|still running)\)", re.DOTALL)
_PLACE = re.compile(r"height ([0-9]+) round ([0-9]+) ([a-z]+)(?:: (.*))?")
_WAITING = (
    (re.compile(r"waiting for the check of ([0-9]+) proposed block\(s\)"), "等待检查 {} 个提议的区块"),
    (re.compile(r"waiting for the proposal of ([0-9a-f]*)"), "等待 {} 的提案"),
    (
        re.compile(r"([0-9]+) of ([0-9]+) (?:prevote|precommit) power, missing: ([0-9a-f ]*)"),
        "法定权重 {1}，已有 {0}，缺 {2}",
    ),
)


def state_name(state: str) -> str:
    """State of a transaction."""
    return _TX_STATES.get(state, state) if current() == "zh" else state


def facts(found: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Rows of a table, their names translated; what is missing is a dash."""
    for name, value in found:
        yield _FACTS.get(name, name) if current() == "zh" else name, "–" if value is None else value


def consensus_line(text: str) -> str:
    """What consensus waits for, from the line of `/v1/status`."""
    if current() != "zh" or text in _STEPS:
        return _STEPS[text] if current() == "zh" else text
    place = _PLACE.fullmatch(text)
    if place is None:
        return text
    height, number, step, why = place.groups()
    line = f"高度 {height}，第 {number} 轮，{_STEPS.get(step, step)}"
    for pattern, told in _WAITING:
        if why and (match := pattern.fullmatch(why)):
            return f"{line}：{told.format(*match.groups())}"
    return f"{line}：{why}" if why else line


def reason_text(reason: str) -> str:
    """Why a plugin's process ended, or its migration failed."""
    if current() != "zh":
        return reason
    ended = _ENDED.fullmatch(reason)
    return "{}（{}）".format(*map(in_chinese, ended.groups())) if ended else in_chinese(reason)


def trouble_text(trouble: dict[str, Any]) -> str:
    """An entry of `plugin_troubles` in a line; with the command that goes on, once the transaction is known."""
    if not trouble["tx_id"]:
        return f"{trouble['application']}: {reason_text(trouble['reason'])}"
    at = f"{trouble['application']}.{trouble['action']} {trouble['tx_id']} · {reason_text(trouble['reason'])}"
    return say(
        f"区块 {trouble['height']} 停在 {at}；hnnode plugin skip sign --home DIR",
        f"block {trouble['height']} hangs at {at}; hnnode plugin skip sign --home DIR",
    )
