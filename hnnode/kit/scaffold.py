"""`hnnode plugin new`: a plugin that passes its own tests at once, to be changed from there.

A template is a folder of `*.in` files; `base` is laid under the chosen one. In paths `NAME` and in texts `@name@`,
`@title_zh@`, `@title_en@` and `@vendor@` are replaced; a leading `dot-` becomes a dot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hnnode.errors import ConfigError
from hnnode.packaging import RESERVED_NAMES
from hnnode.plugin_api.manifest import MANIFEST_NAME, NAME, parse_manifest

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("status", "evidence", "coldchain")
"""`status`: an item with a status table. `evidence`: hashes of documents, the smallest. `coldchain`: batches that are
handed over, with grams conserved; an offer that nobody confirms lapses by itself.
"""


@dataclass(frozen=True, slots=True)
class Names:
    """What a new plugin is called."""

    name: str
    title_zh: str
    title_en: str
    vendor: str

    def fill(self, text: str) -> str:
        facts = {"name": self.name, "title_zh": self.title_zh, "title_en": self.title_en, "vendor": self.vendor}
        for key, value in facts.items():
            text = text.replace(f"@{key}@", value)
        return text


def make_project(folder: Path, names: Names, kind: str = "status") -> list[Path]:
    """Write a new plugin into `folder`, which must be empty or not there. Returns the files, ascending.

    Raises: ConfigError: a bad or reserved name, or a folder that is not empty.
    """
    if not NAME.fullmatch(names.name):
        raise _invalid(f"{names.name!r}: want a lower-case name of letters, digits and _, at most 32 characters")
    if names.name in RESERVED_NAMES:
        raise _invalid(f"{names.name}: the name is reserved")
    if kind not in KINDS:
        raise _invalid(f"template {kind!r}: want one of {', '.join(KINDS)}")
    for text in (names.title_zh, names.title_en, names.vendor):
        if not text or any(char in '"\\@' or ord(char) < 32 for char in text):
            raise _invalid(f"{text!r}: want one line without quotes, backslashes and @")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise _invalid(f"{folder}: not an empty folder")
    texts: dict[str, str] = {}
    for layer in ("base", kind):
        root = TEMPLATES / layer
        for path in sorted(root.rglob("*.in")):
            texts[_target(path.relative_to(root), names)] = names.fill(path.read_text("utf-8"))
    parse_manifest(texts[f"hn_{names.name}/{MANIFEST_NAME}"].encode("utf-8"))
    written = []
    for target, text in sorted(texts.items()):
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        written.append(path)
    return written


def _target(path: Path, names: Names) -> str:
    parts = [part.replace("NAME", names.name).replace("dot-", ".", 1) for part in path.parts]
    return "/".join(parts).removesuffix(".in")


def _invalid(detail: str) -> ConfigError:
    return ConfigError("PLUGIN_PACKAGE_INVALID", detail)
