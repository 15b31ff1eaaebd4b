"""A small document that renders as one self-contained HTML page in both languages, or as Markdown in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Language = Literal["zh", "en"]
Text = str | tuple[str, str]
"""The same in both languages, or (Chinese, English)."""

_STYLE = """
:root{color-scheme:light dark}body{font:15px/1.6 system-ui,"Noto Sans SC","PingFang SC","Microsoft YaHei",sans-serif;
max-width:72rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%;margin:.6rem 0 1.4rem}
th,td{border:1px solid #8884;padding:.3rem .6rem;text-align:left;vertical-align:top}th{background:#8882}
code,pre{font:13px/1.5 ui-monospace,monospace}pre{background:#8882;padding:.7rem;overflow:auto;border-radius:6px}
svg{max-width:100%;height:auto}h2{margin-top:2.2rem;border-bottom:1px solid #8884}.language{float:right}
body:has(#zh:checked) .en,body:has(#en:checked) .zh{display:none}
@media print{.language{display:none}h2{break-after:avoid}tr{break-inside:avoid}}
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
    """`text`: what Markdown shows in place of the SVG."""

    svg: str
    text: str


Block = Heading | Paragraph | Table | Listing | Drawing


def pick(text: Text, language: Language) -> str:
    return text if isinstance(text, str) else text[0] if language == "zh" else text[1]


def as_markdown(blocks: Sequence[Block], language: Language) -> str:
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            lines += [f"{'#' * block.level} {pick(block.text, language)}", ""]
        elif isinstance(block, Paragraph):
            lines += [pick(block.text, language), ""]
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
    parts += [_block(block) for block in blocks]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _both(text: Text, code: bool = False) -> str:
    if isinstance(text, str):
        return f"<code>{escape(text)}</code>" if code and text else escape(text)
    return f'<span class="zh" lang="zh">{escape(text[0])}</span><span class="en" lang="en">{escape(text[1])}</span>'


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_both(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p>{_both(block.text)}</p>"
    if isinstance(block, Table):
        head = "".join(f"<th>{_both(title)}</th>" for title in block.titles)
        rows = [
            "<tr>" + "".join(f"<td>{_both(cell, i in block.code)}</td>" for i, cell in enumerate(row)) + "</tr>"
            for row in block.rows
        ]
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    if isinstance(block, Listing):
        listing = f"<pre><code>{escape(block.text)}</code></pre>"
        return f"<details><summary>{_both(block.summary)}</summary>{listing}</details>" if block.summary else listing
    return f"<figure>{block.svg}</figure>"
