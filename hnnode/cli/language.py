"""Chinese and English of everything the command prints.

A help text is written once as `two(zh, en)`; `localize` picks the half of the chosen language in a finished command
tree, so that one process can render both. The language comes from `--lang`, then HNNODE_LANG, then the locale.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, Language] = ("zh", "en")
_SEPARATOR = "\x1f"
_current: Language = "en"


def two(zh: str, en: str) -> str:
    """A help text in both languages."""
    return f"{zh}{_SEPARATOR}{en}"


def say(zh: str, en: str) -> str:
    """The text in the language of this process."""
    return zh if _current == "zh" else en


def current() -> Language:
    return _current


def set_language(language: Language) -> None:
    global _current
    _current = language


def language_of(environment: Mapping[str, str]) -> Language:
    """Language that the environment asks for: HNNODE_LANG, then the locale variables in their POSIX order."""
    for name in ("HNNODE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "").lower()
        if value:
            return "zh" if value.startswith("zh") else "en"
    return "en"


def take_language(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[Language, list[str]]:
    """Split `--lang xx` off the arguments, wherever it stands before `--`: help texts need it before parsing starts.

    An unknown value stays in the arguments, so that the parser reports it.
    """
    language = language_of(environment)
    rest: list[str] = []
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        if argument == "--":
            rest.extend(arguments[index:])
            break
        name, equals, value = argument.partition("=")
        width = 1
        if name == "--lang" and not equals and index + 1 < len(arguments):
            value, width = arguments[index + 1], 2
        if name == "--lang" and value in LANGUAGES:
            language = value
        else:
            rest.extend(arguments[index : index + width])
        index += width
    return language, rest


def pick(text: str, language: Language) -> str:
    """The half of a `two` text; any other text is returned as it is."""
    zh, separator, en = text.partition(_SEPARATOR)
    return text if not separator else (zh if language == "zh" else en)


def localize(command: Any, language: Language) -> None:
    """Replace every `two` text in a command tree (typer's own classes) by its half for `language`."""
    for holder in (command, *command.params):
        for attribute in ("help", "short_help", "epilog", "metavar"):
            text = getattr(holder, attribute, None)
            if isinstance(text, str):
                setattr(holder, attribute, pick(text, language))
    for child in getattr(command, "commands", {}).values():
        localize(child, language)
