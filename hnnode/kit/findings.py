"""What `hnnode plugin check` found, as text for people, JSON for programs and SARIF 2.1.0 for code review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import hnnode
from hnnode.kit.catalogue import RULES, RuleInfo

FINDINGS_MAX = 1_000
JSON_VERSION = 1
"""Rises when a field of the JSON report changes its meaning or goes away."""
Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`path`: relative to the project. `line`, `column`: from 1; line 0 is the whole file. `detail`: what exactly, the
    same in both languages.
    """

    path: str
    line: int
    column: int
    id: str
    detail: str = ""

    @property
    def rule(self) -> RuleInfo:
        return RULES[self.id]

    def text(self, language: Language) -> str:
        """`hn_demo/handlers.py:12:5: error HN201 a float: 0.5. Use integers …`"""
        rule = self.rule
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        what, remedy = (rule.zh, rule.remedy_zh) if language == "zh" else (rule.en, rule.remedy_en)
        detail = f": {self.detail}" if self.detail else ""
        return f"{place}: {rule.level} {self.id} {what}{detail} → {remedy}"


def failed(findings: Sequence[Finding], *, strict: bool = False) -> bool:
    """Whether the check fails: for an error, with `strict` for a warning too."""
    levels = ("error", "warning") if strict else ("error",)
    return any(finding.rule.level in levels for finding in findings)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "version": JSON_VERSION,
        "findings": [
            {
                "id": finding.id,
                "level": finding.rule.level,
                "path": finding.path,
                "line": finding.line,
                "column": finding.column,
                "detail": finding.detail,
                "zh": finding.rule.zh,
                "en": finding.rule.en,
                "remedy_zh": finding.rule.remedy_zh,
                "remedy_en": finding.rule.remedy_en,
            }
            for finding in findings
        ],
    }


def as_sarif(findings: Sequence[Finding], language: Language) -> dict[str, Any]:
    """A SARIF 2.1.0 log of one run; every rule of the catalogue is listed."""
    ids = sorted(RULES)
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "hnnode plugin check",
                        "version": hnnode.__version__,
                        "rules": [_sarif_rule(RULES[name], language) for name in ids],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(finding, ids.index(finding.id), language) for finding in findings],
            }
        ],
    }


def _sarif_rule(rule: RuleInfo, language: Language) -> dict[str, Any]:
    what, remedy = (rule.zh, rule.remedy_zh) if language == "zh" else (rule.en, rule.remedy_en)
    return {
        "id": rule.id,
        "shortDescription": {"text": what},
        "help": {"text": remedy},
        "defaultConfiguration": {"level": rule.level},
    }


def _sarif_result(finding: Finding, index: int, language: Language) -> dict[str, Any]:
    rule = finding.rule
    what, remedy = (rule.zh, rule.remedy_zh) if language == "zh" else (rule.en, rule.remedy_en)
    detail = f": {finding.detail}" if finding.detail else ""
    place: dict[str, Any] = {"artifactLocation": {"uri": finding.path}}
    if finding.line:
        place["region"] = {"startLine": finding.line, "startColumn": max(finding.column, 1)}
    return {
        "ruleId": finding.id,
        "ruleIndex": index,
        "level": rule.level,
        "message": {"text": f"{what}{detail}. {remedy}"},
        "locations": [{"physicalLocation": place}],
    }
