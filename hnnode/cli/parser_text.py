"""Chinese for what the argument parser says by itself: usage errors and the frame of help texts.

The parser speaks English. Its sentences are matched whole; one that no pattern knows stays English, so that a change
of the parser's wording costs a translation and never a message.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import east_asian_width

from hnnode.cli.language import Language

_Rule = tuple[re.Pattern[str], str]


def _rules(*pairs: tuple[str, str]) -> tuple[_Rule, ...]:
    return tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in pairs)


_ERRORS = _rules(
    (r"Missing command\.", "缺少命令"),
    (r"No such command (.+?)\. Did you mean (.+)\?", r"没有命令 \1，是否想用 \2？"),
    (r"No such command (.+?)\.", r"没有命令 \1"),
    (r"No such option: (\S+) \(Possible options: (.+)\)", r"没有选项 \1，相近的有 \2"),
    (r"No such option: (.+)", r"没有选项 \1"),
    (r"Missing argument (.+)\.", r"缺少参数 \1"),
    (r"Missing option (.+)\.", r"缺少选项 \1"),
    (r"Got unexpected extra argument\S* \((.+)\)", r"多余的参数：\1"),
    (r"Argument (.+) takes (\d+) values\.", r"参数 \1 需要 \2 个值"),
    (r"Option (.+) requires an argument\.", r"选项 \1 需要一个值"),
    (r"Option (.+) requires (\d+) arguments\.", r"选项 \1 需要 \2 个值"),
    (r"Option (.+) does not take a value\.", r"选项 \1 不带值"),
)
_VALUE = re.compile(r"Invalid value(?: for (?P<place>.+?))?: (?P<reason>.+)", re.DOTALL)
_REASONS = _rules(
    (r"Input should be a valid integer.*", "应为整数"),
    (r"Input should be a valid number.*", "应为数字"),
    (r"Input should be a valid boolean.*", "应为 true 或 false"),
    (r"Input should be less than or equal to (\S+)", r"应不大于 \1"),
    (r"Input should be greater than or equal to (\S+)", r"应不小于 \1"),
    (r"Value error, (.+) is not one of (.+)\.", r"\1 不在 \2 之中"),
    (r"(?:file|directory|path) (.+) does not exist\.", r"\1 不存在"),
    (r"(?:file|directory|path) (.+) is a file\.", r"\1 是文件"),
    (r"(?:file|directory|path) (.+) is a directory\.", r"\1 是目录"),
    (r"(?:file|directory|path) (.+) is not readable\.", r"\1 不可读"),
    (r"(?:file|directory|path) (.+) is not writable\.", r"\1 不可写"),
)
_HELP = (
    (re.compile(r"^Usage: ", re.MULTILINE), "用法："),
    (re.compile(r"^Arguments:$", re.MULTILINE), "参数："),
    (re.compile(r"^Options:$", re.MULTILINE), "选项："),
    (re.compile(r"^Commands:$", re.MULTILINE), "命令："),
    (re.compile(r"Show this message and exit\."), "显示此帮助"),
    (re.compile(r"Install completion for the current shell\."), "为当前 shell 安装命令补全"),
    (
        re.compile(r"Show completion for the current shell, to copy it or\s+customize the installation\."),
        "显示补全脚本，供复制或修改",
    ),
    (re.compile(r"\[required\]"), "[必填]"),
    (re.compile(r"\[default: "), "[默认："),
    (re.compile(r"\[env var: "), "[环境变量："),
)
_DESCRIPTION = re.compile(r"  (?:\S.*?\s{2,}|\s*)(?=\S)")
"""What stands before the description in a line about an option or command."""
_WORD = re.compile(r"(?:\[\S*|[\u3400-\u9fff][，。；：、）]*|[^\s[\u3400-\u9fff]+[，。；：、）]*)\s*")
"""What is not folded inside: a Chinese letter or another word, each with the marks that must not begin a line."""


def _said(message: str, rules: Sequence[_Rule]) -> str | None:
    for pattern, text in rules:
        found = pattern.fullmatch(message)
        if found is not None:
            return found.expand(text)
    return None


def in_chinese(message: str) -> str:
    """A usage error of the parser in Chinese; as it is when nothing here knows it."""
    value = _VALUE.fullmatch(message)
    if value is None:
        return _said(message, _ERRORS) or message
    reason = _said(value["reason"], _REASONS) or value["reason"]
    return f"{value['place']} 的值无效：{reason}" if value["place"] else f"值无效：{reason}"


def help_in_chinese(text: str) -> str:
    """A help text with its headings and remarks in Chinese; what a verb says about itself is left alone."""
    for pattern, chinese in _HELP:
        text = pattern.sub(chinese, text)
    return _folded(text, max(50, min(shutil.get_terminal_size().columns, 80) - 2))


def _folded(text: str, columns: int) -> str:
    """The parser folds lines by their letters; Chinese ones take two columns each and have no spaces to fold at."""
    lines: list[str] = []
    waiting = deque(text.split("\n"))
    while waiting:
        line = waiting.popleft()
        start = _DESCRIPTION.match(line)
        if start is None or _columns(line) <= columns:
            lines.append(line)
            continue
        indent = " " * _columns(start[0])
        while waiting and waiting[0].startswith(indent) and waiting[0][len(indent) :].strip():
            line = f"{line} {waiting.popleft().strip()}"  # the rest of the same description
        folded = start[0]
        for word in _WORD.findall(line[len(start[0]) :]):
            if _columns(folded + word.rstrip()) > columns:
                lines.append(folded.rstrip())
                folded = indent
            folded += word
        lines.append(folded.rstrip())
    return "\n".join(lines)


def _columns(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def frame_help(command: Any) -> None:
    """Let a command tree (typer's own classes) frame its help in Chinese."""
    plain: Callable[[Any], str] = command.get_help
    command.get_help = lambda context: help_in_chinese(plain(context))
    for child in getattr(command, "commands", {}).values():
        frame_help(child)


def show_usage_error(error: Any, language: Language) -> None:
    """Print a usage error (typer's own class) to stderr, with the usage of the command it is about."""
    message = error.format_message()
    chinese = in_chinese(message)
    if language == "en" or (chinese == message and "\n" in message):  # a whole help text stands in for the error
        error.show()
        return
    lines = []
    context = getattr(error, "ctx", None)
    if context is not None:
        lines += [help_in_chinese(context.get_usage()), f"帮助：{context.command_path} --help", ""]
    print(*lines, f"错误：{chinese}", sep="\n", file=sys.stderr)
