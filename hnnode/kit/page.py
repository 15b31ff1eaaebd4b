"""A small document that renders as one self-contained HTML page in both languages, or as Markdown in one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
_CODE = re.compile(r"`([^`]+)`")
Text = str | tuple[str, str]
"""The same in both languages, or (Chinese, English)."""

_STYLE = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:15px/1.6 system-ui,"Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif;max-width:72rem;margin:2rem auto;
padding:0 1rem;overflow-wrap:break-word}
h1{font-size:1.7rem;line-height:1.3}h2{margin-top:2.6rem;border-bottom:1px solid #8886}h3{margin:2rem 0 .4rem}p{margin:.5rem 0}
.wide,figure{overflow-x:auto;margin:.6rem 0 1.2rem}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top;min-width:5.4em;overflow-wrap:anywhere}
th{background:#8882}
code,pre{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",Consolas,monospace}
pre{background:#8882;padding:.7rem;border-radius:6px;margin:.4rem 0 .8rem;white-space:pre-wrap;overflow-wrap:anywhere}
svg{max-width:100%;height:auto}summary{cursor:pointer}
nav{columns:18rem;margin:1.4rem 0}nav div{break-inside:avoid-column}nav .inner{padding-left:1.2em}nav a{text-decoration:none}
a{color:#1769aa}@media(prefers-color-scheme:dark){a{color:#7cc0f5}}
.language{float:right;margin-left:1rem}
body:has(#zh:checked) .en,body:has(#en:checked) .zh{display:none}
@media print{@page{size:A4;margin:15mm}body{margin:0;padding:0;max-width:none;font-size:10pt}.language,nav{display:none}
details:not([open]){display:none}h2,h3{break-after:avoid}tr,figure,pre{break-inside:avoid}svg{min-width:0!important}
th,pre,rect{print-color-adjust:exact}}
""".strip()


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: Text


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: Text


@dataclass(frozen=True, slots=True)
class Table:
    """`code`: columns set as code."""

    titles: Sequence[Text]
    rows: Sequence[Sequence[Text]]
    code: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Listing:
    """`language` of the code; `summary`: folded away under this title in HTML."""

    text: str
    language: str = "json"
    summary: Text = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """`text`: what Markdown shows in place of the SVG; `legend`: what stands below the SVG."""

    svg: str
    text: str
    legend: Text = ""


Block = Heading | Paragraph | Table | Listing | Drawing


def pick(text: Text, language: Language) -> str:
    return text if isinstance(text, str) else text[0] if language == "zh" else text[1]


def as_markdown(blocks: Sequence[Block], language: Language) -> str:
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            lines += [f"{'#' * block.level} {pick(block.text, language)}", ""]
        elif isinstance(block, Paragraph):
            if text := pick(block.text, language):
                lines += [text, ""]
        elif isinstance(block, Table):
            lines.append("| " + " | ".join(pick(title, language) for title in block.titles) + " |")
            lines.append("|" + "---|" * len(block.titles))
            for row in block.rows:
                cells = [pick(cell, language).replace("|", "\\|").replace("\n", " ") for cell in row]
                shown = [f"`{cell}`" if i in block.code and cell else cell for i, cell in enumerate(cells)]
                lines.append("| " + " | ".join(shown) + " |")
            lines.append("")
        elif isinstance(block, Listing):
            if block.summary:
                lines += [pick(block.summary, language), ""]
            lines += [f"```{block.language}", block.text.rstrip("\n"), "```", ""]
        else:
            lines += ["```", block.text, "```", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_html(blocks: Sequence[Block], title: Text) -> str:
    """One file without script or outside reference; the reader chooses the language."""
    parts = [
        '<!doctype html><html lang="zh"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(pick(title, 'zh'))} / {escape(pick(title, 'en'))}</title><style>{_STYLE}</style></head><body>",
        '<div class="language"><label><input type="radio" name="l" id="zh" checked> 中文</label> ',
        '<label><input type="radio" name="l" id="en"> English</label></div>',
    ]
    for place, block in enumerate(blocks):
        parts.append(_block(block, place))
        if place == _first_table(blocks):
            parts.append(_contents(blocks))
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _first_table(blocks: Sequence[Block]) -> int:
    return next((place for place, block in enumerate(blocks) if isinstance(block, Table)), -1)


def _contents(blocks: Sequence[Block]) -> str:
    """Links to the headings below the title."""
    lines = [
        f'<div class="{"inner" if block.level > 2 else ""}"><a href="#p{place}">{_both(block.text)}</a></div>'
        for place, block in enumerate(blocks)
        if isinstance(block, Heading) and block.level > 1
    ]
    return f"<nav>{''.join(lines)}</nav>"


def _words(text: str) -> str:
    """Text with what stands between backticks set as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _both(text: Text, code: bool = False) -> str:
    if isinstance(text, str):
        return f"<code>{escape(text)}</code>" if code and text else _words(text)
    return "".join(
        f'<span class="{language}" lang="{language}">{_words(pick(text, language))}</span>'
        for language in LANGUAGES
        if pick(text, language)
    )


def _block(block: Block, place: int) -> str:
    if isinstance(block, Heading):
        return f'<h{block.level} id="p{place}">{_both(block.text)}</h{block.level}>'
    if isinstance(block, Paragraph):
        only = [language for language in LANGUAGES if pick(block.text, language)]
        return f'<p class="{only[0] if len(only) == 1 else ""}">{_both(block.text)}</p>'
    if isinstance(block, Table):
        head = "".join(f"<th>{_both(title)}</th>" for title in block.titles)
        rows = [
            "<tr>" + "".join(f"<td>{_both(cell, i in block.code)}</td>" for i, cell in enumerate(row)) + "</tr>"
            for row in block.rows
        ]
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        return f'<div class="wide">{table}</div>'
    if isinstance(block, Listing):
        listing = f"<pre><code>{escape(block.text)}</code></pre>"
        return f"<details><summary>{_both(block.summary)}</summary>{listing}</details>" if block.summary else listing
    legend = f"<figcaption>{_both(block.legend)}</figcaption>" if block.legend else ""
    return f"<figure>{block.svg}{legend}</figure>"
