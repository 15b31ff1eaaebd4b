"""`cli.md` from the command tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hnnode.cli.failure import EXIT_TEXTS

_HEAD = """# Command line

Rendered from the command tree by `make docs`; do not edit. `hnnode --help` and every verb's `--help` print the same
in Chinese or English
(`--lang`, `HNNODE_LANG`, or the locale).

`--home`, `--node`, `--key-dir` may also stand before the noun; `--lang` may stand anywhere. Environment:
`HNNODE_HOME`, `HNNODE_NODE`,
`HNNODE_KEY_DIR`, `HNNODE_KEY` (default signing key), `HNNODE_LANG`, `HNNODE_USER_DIR` (instead of `~/.hnnode`),
`HNNODE_DEBUG=1` (tracebacks).
While `hnnode dev up` runs, the other commands find its first node and its demo key by themselves.

`-o json` prints an object with a `version` field; streams (`tail`) print one object a line. Everything that is not
the answer goes to stderr.
"""


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words, command) of every verb, in the order of the tree."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
    else:
        for name, child in children.items():
            if not child.hidden:
                yield from leaves(child, (*path, name))


def _parameter(parameter: Any) -> str:
    text = parameter.help or ""
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
        return f"| `{_escape(name)}` | {_escape(text)} | {'' if parameter.required else 'optional'} |"
    flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    shown = (
        ""
        if default is None or default in (False, (), []) or parameter.show_default is False
        else f"`{getattr(default, 'value', default)}`"
    )
    return f"| {flags} | {_escape(text)} | {'required' if parameter.required else shown} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def render_commands() -> str:
    from hnnode.cli.app import command_tree

    tree = command_tree("en")
    parts = [_HEAD, "## Exit codes\n", "| code | meaning |", "|---|---|"]
    parts += [f"| {code} | {en} |" for code, _, en in EXIT_TEXTS]
    parts.append("| 130 | interrupted by Ctrl-C |\n")
    for words, command in leaves(tree):
        parts += [f"## hnnode {' '.join(words)}\n", f"{command.help or ''}\n"]
        shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
        if shown:
            parts += ["| parameter | meaning | default |", "|---|---|---|", *map(_parameter, shown), ""]
    return "\n".join(parts).rstrip() + "\n"
