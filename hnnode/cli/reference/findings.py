"""`plugin-findings.md` from `hnnode.kit.catalogue`."""

from __future__ import annotations

from hnnode.kit.catalogue import RULES

_HEAD = """# Findings of `hnnode plugin check`

Rendered from `hnnode/kit/catalogue.py` by `make docs`; do not edit. Ids are permanent. An *error* fails the check, a
*warning* does so with `--strict`, a *note* never.
"""
_GROUPS = {
    "1": "Packages and imports",
    "2": "Determinism",
    "3": "State",
    "4": "Privacy",
    "5": "Schemas and migrations",
}


def render_findings() -> str:
    """The whole page."""
    lines = [_HEAD]
    for digit, title in _GROUPS.items():
        lines += [
            f"## {digit}xx: {title}",
            "",
            "| id | level | finding | remedy | 发现 | 改法 |",
            "|---|---|---|---|---|---|",
        ]
        for rule in RULES.values():
            if rule.id[2] == digit:
                cells = (rule.id, rule.level, rule.en, rule.remedy_en, rule.zh, rule.remedy_zh)
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"
