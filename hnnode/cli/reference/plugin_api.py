"""`plugin-api.md` from the sources of `hnnode.plugin_api` and the stub of the compiled context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import hnnode
from hnnode.cli.reference.surface import Name, exported, module_text, names_of
from hnnode.plugin_api.hooks import API_VERSION

API = Path(hnnode.__file__).parent / "plugin_api"
STUB = Path(hnnode.__file__).parents[1] / "native" / "hnnode_native.pyi"

_HEAD = f"""# Plugin API

Rendered from `hnnode/plugin_api` by `make docs`; do not edit. `api_version` {API_VERSION}. It is all that a plugin imports of hnnode.

{{rules}}

[Hooks](#hooks) · [Registration](#registration) · [Context](#context) · [Queries](#queries) ·
[Payloads, records, events](#payloads-records-events) · [Limits](#limits) · [Standard library](#standard-library) ·
[Identifiers](#identifiers) · [Privacy](#privacy) · [Hashes](#hashes) · [Life cycle](#life-cycle) ·
[Workload and tests](#workload-and-tests)
"""

_IDENTIFIERS = (
    "organisation",
    "citizen",
    "gs1",
    "drug",
    "estate",
    "licence",
    "project",
    "education",
    "region",
    "personal",
)


def render_plugin_api() -> str:
    parts = [_HEAD.replace("{rules}", _paragraphs(_rules())), "## Hooks\n", _paragraphs(module_text(API / "hooks.py"))]
    for hook in hooks():
        parts += [f"### `{hook.name}`\n", _code(f"{hook.name}{hook.signature}"), _paragraphs(hook.text)]
    parts += ["## Registration\n", *_entries(_only("registry.py", "Registry"))]
    parts += ["## Context\n", _paragraphs(module_text(API / "context.py")), *_members(_native("TxContext"), "ctx.")]
    parts += ["## Queries\n", *_entries(_only("context.py", "QueryView", "Reader", "TxInfo")), *_all("outcome.py")]
    parts += [
        "## Payloads, records, events\n",
        _paragraphs(module_text(API / "model.py")),
        *_all("records.py", "codec.py"),
    ]
    parts += ["## Limits\n", _paragraphs(module_text(API / "limits.py")), *_limits()]
    parts += ["## Standard library\n", _paragraphs(module_text(API / "std" / "__init__.py"))]
    for path in std_modules():
        parts += [f"### std.{path.stem}\n", _paragraphs(module_text(path)), *_entries(names_of(path))]
    parts += ["## Identifiers\n", _paragraphs(module_text(API / "ids" / "__init__.py")), *_identifiers()]
    parts += ["## Privacy\n", _paragraphs(module_text(API / "privacy" / "__init__.py")), *_privacy()]
    parts += ["## Hashes\n", *_all("hashes.py")]
    parts += ["## Life cycle\n", _paragraphs(module_text(API / "migration.py")), *_all("migration.py", "manifest.py")]
    parts += ["## Workload and tests\n", _paragraphs(module_text(API / "workload.py")), *_all("workload.py")]
    parts += [
        _paragraphs(module_text(API / "testing.py")),
        *_entries(_only("testing.py", "LocalChain", "Outcome", "World", "document", "run_workload")),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def hooks() -> tuple[Name, ...]:
    """The hook specifications, in the order of the file."""
    return next(name.members for name in names_of(API / "hooks.py") if name.name == "Hooks")


def std_modules() -> list[Path]:
    """Files of the standard library, ascending."""
    return sorted(path for path in (API / "std").glob("*.py") if not path.stem.startswith("_"))


def _rules() -> str:
    """Rules a plugin lives by, from the package's docstring."""
    return module_text(API / "__init__.py").partition("\n\n")[2]


def _only(file: str, *names: str) -> list[Name]:
    found = {name.name: name for name in names_of(API / file)}
    return [found[name] for name in names]


def _native(name: str) -> Name:
    return next(found for found in names_of(STUB) if found.name == name)


def _all(*files: str) -> Iterator[str]:
    for file in files:
        yield from _entries(names_of(API / file))


def _limits() -> Iterator[str]:
    yield "| limit | value | meaning |\n|---|---|---|"
    for name in names_of(API / "limits.py"):
        yield f"| `{name.name}` | `{name.signature}` | {_line(name.text)} |"
    yield ""


def _identifiers() -> Iterator[str]:
    public = set(exported(API / "ids"))
    for stem in ("ascii", *_IDENTIFIERS, "fault"):
        path = API / "ids" / f"{stem}.py"
        yield f"### ids: {stem}\n"
        yield _paragraphs(module_text(path))
        yield from _entries(name for name in names_of(path) if name.name in public)


def _privacy() -> Iterator[str]:
    public = set(exported(API / "privacy"))
    for stem in ("reference", "commitment", "guard"):
        path = API / "privacy" / f"{stem}.py"
        yield f"### privacy: {stem}\n"
        yield _paragraphs(module_text(path))
        yield from _entries(name for name in names_of(path) if name.name in public)


def _entries(names: Iterable[Name]) -> Iterator[str]:
    for name in names:
        if name.kind == "value" and not name.text:
            continue
        if name.kind == "class":
            yield f"#### `{name.name}{name.signature}`\n"
            yield _paragraphs(name.text)
            yield from _members(name, "")
        elif name.kind == "function":
            yield f"#### `{name.name}`\n"
            yield _code(f"{name.name}{name.signature}")
            yield _paragraphs(name.text)
        else:
            yield f"- `{name.name} = {name.signature}`: {_line(name.text)}\n"


def _members(owner: Name, prefix: str) -> Iterator[str]:
    """Members of a class as a list: short ones on a line, the rest with their text below."""
    for name in owner.members:
        shown = f"{prefix}{owner.name if name.name == '__init__' else name.name}"
        if name.kind in ("value", "property"):
            yield f"- `{shown}: {name.signature}`" + (f": {_line(name.text)}" if name.text else "")
        elif name.name != "__init__" or name.text:
            yield f"- `{shown}{name.signature}`" + (f": {_indented(name.text)}" if name.text else "")
    yield ""


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _indented(text: str) -> str:
    """A docstring within a list item: its first paragraphs on lines of their own, its arguments as a list below."""
    lines = _paragraphs(text).strip().splitlines()
    return "\n".join([lines[0], *(f"  {line}".rstrip() for line in lines[1:])])


def _paragraphs(text: str) -> str:
    """A docstring as Markdown: indented blocks of code stay, `Args:` and the like become lists."""
    made: list[str] = []
    section = False
    for line in text.splitlines():
        head = re.match(r"(Args|Returns|Raises|Cost|Source): ?(.*)", line)
        if head is not None:
            section = not head[2] and head[1] in ("Args", "Raises")
            made += ["", f"*{head[1]}:* {head[2]}".rstrip(), *([""] if section else [])]
            if head[1] == "Raises" and head[2]:
                section = True
            continue
        argument = re.match(r" {4}(\w+(?:, \w+)*): (.*)", line) if section else None
        if argument is not None:
            made.append(f"- `{argument[1]}`: {argument[2]}")
        elif section and line.startswith("    "):
            made.append(f"  {line.strip()}")
        else:
            section = section and bool(line.strip())
            made.append(line)
    return "\n".join(made).strip() + "\n" if made else ""
