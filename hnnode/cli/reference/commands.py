"""`cli.md` from the command tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hnnode.cli.failure import EXIT_TEXTS

_HEAD = """# Command line

Rendered from the command tree by `make docs`; do not edit. `hnnode --help` and the `--help` of every verb print the
same in Chinese or English (`--lang`, `HNNODE_LANG`, or the locale).

`--home`, `--node`, `--key-dir` may also stand before the noun; `--lang` may stand anywhere. While `hnnode dev up`
runs, the other commands find its first node and its demo keys by themselves.

| environment | meaning |
|---|---|
| `HNNODE_HOME`, `HNNODE_NODE`, `HNNODE_KEY_DIR` | as the options of these names |
| `HNNODE_KEY` | signing key, name or file |
| `HNNODE_LANG` | `zh` or `en` |
| `HNNODE_USER_DIR` | folder of keys and of the note about the dev network, instead of `~/.hnnode` |
| `HNNODE_DEBUG` | `1`: errors show their traceback |

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
    metavar, default = parameter.metavar, parameter.default
    if parameter.param_type_name == "argument":
        name = f"`{_escape(metavar or parameter.name.upper())}`"
    else:
        name = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
        name += f" `{_escape(metavar)}`" if metavar else ""
    if parameter.required:
        shown = "required"
    elif default is None or default is False or parameter.show_default is False:
        shown = ""
    else:
        shown = f"`{getattr(default, 'value', default)}`"
    return f"| {name} | {_escape(parameter.help or '')} | {shown} |"


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
        if command.epilog:
            parts += ["```", *(line.strip() for line in command.epilog.split("\n")[2:]), "```\n"]
    return "\n".join(parts).rstrip() + "\n"
