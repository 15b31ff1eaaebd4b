"""JSON given on the command line: as text, `@file`, or `-` for standard input."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import typer

from hnnode.cli.language import say

INPUT_BYTES_MAX = 64 * 1024 * 1024


def read_argument(text: str) -> bytes:
    """The bytes an argument stands for. Raises OSError for a file that cannot be read, BadParameter over
    INPUT_BYTES_MAX.
    """
    if text == "-":
        data = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    elif text.startswith("@"):
        with Path(text[1:]).open("rb") as file:
            data = file.read(INPUT_BYTES_MAX + 1)
    else:
        data = text.encode("utf-8")
    if len(data) > INPUT_BYTES_MAX:
        raise typer.BadParameter(say(f"超过 {INPUT_BYTES_MAX} 字节", f"more than {INPUT_BYTES_MAX} bytes"))
    return data


def read_json_argument(text: str, option: str) -> bytes:
    """As `read_argument`, checked to be a JSON object, byte for byte as it was given."""
    data = read_argument(text)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as e:
        raise typer.BadParameter(say(f"不是 JSON：{e}", f"not JSON: {e}"), param_hint=option) from e
    if not isinstance(value, dict):
        raise typer.BadParameter(say("应为 JSON 对象", "want a JSON object"), param_hint=option)
    return data
