"""Relation files (关联关系 XML): packs of a batch and what they are packed in, as makers report them.

    document → packs with layers and pieces → leaves, ascending by code → root to activate, and a proof for each pack

Off chain. Read are `Relation` (productCode: 本位码), `Batch` (batchNo, madeDate, validateDate) and `Code` (curCode,
packLayer, parentCode, flag); workshop, line and people stay where the file is. A document type declaration is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from xml.parsers import expat

import msgspec

from hn_medical.chain import Link, write_chain
from hn_medical.trace_models import CHAIN_MAX, CODES_MAX, Activate, Proof
from hnnode.plugin_api import ids
from hnnode.plugin_api.hashes import BlockTree

DOCUMENT_BYTES_MAX = 32 * 1024 * 1024
DEPTH_MAX = 16
PROBLEMS_MAX = 20
DAY_MS = 86_400_000
OFFSET_MS = 8 * 3_600_000
"""Dates are days of UTC+8."""

_BATCH = re.compile(r"[A-Z0-9][A-Z0-9-]{0,19}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_EPOCH = date(1970, 1, 1)


class RelationError(ValueError):
    """A file that cannot be imported: line and reason of each fault, PROBLEMS_MAX of them at most."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems[:PROBLEMS_MAX]
        super().__init__("; ".join(self.problems))


@dataclass(slots=True)
class _Row:
    layer: int
    parent: str
    line: int
    units: int = 0


@dataclass
class RelationBatch:
    """One batch of the file; `chains`: leaf text by code."""

    product: str
    batch: str
    made_ms: int
    expires_ms: int
    chains: dict[str, str] = field(default_factory=dict)
    units: int = 0

    def __post_init__(self) -> None:
        self._tree: BlockTree | None = None
        self._places: dict[str, int] = {}

    @property
    def tree(self) -> BlockTree:
        if self._tree is None:
            codes = sorted(self.chains)
            self._places = {code: place for place, code in enumerate(codes)}
            self._tree = BlockTree([self.chains[code].encode() for code in codes])
        return self._tree

    def activate(self) -> Activate:
        return Activate(
            product=self.product,
            batch=self.batch,
            root=self.tree.root.hex(),
            codes=len(self.chains),
            units=self.units,
            made_ms=self.made_ms,
            expires_ms=self.expires_ms,
        )

    def proof(self, code: str) -> Proof:
        """Raises KeyError for a code that is not in the batch."""
        tree = self.tree
        path = tree.proof(self._places[code])
        return Proof(root=tree.root.hex(), chain=self.chains[code], path=path.hex())


def read_relation(document: bytes) -> list[RelationBatch]:
    """The batches of a file. Raises RelationError: not XML, too large or deep, or a fault in a code, date or packing."""
    if len(document) > DOCUMENT_BYTES_MAX:
        raise RelationError([f"got {len(document)} bytes, want at most {DOCUMENT_BYTES_MAX}"])
    reader = _Reader()
    reader.read(document)
    if reader.problems:
        raise RelationError(reader.problems)
    if not reader.batches:
        raise RelationError(["no Batch element"])
    return reader.batches


class _Reader:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self.batches: list[RelationBatch] = []
        self._product = ""
        self._rows: dict[str, _Row] = {}
        self._depth = 0
        self._count = 0

    def read(self, document: bytes) -> None:
        self._parser = parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            parser.Parse(document, True)
        except expat.ExpatError as e:
            raise RelationError([f"line {e.lineno}: {expat.ErrorString(e.code)}"]) from e

    def _fault(self, text: str, line: int | None = None) -> None:
        self.problems.append(f"line {self._parser.CurrentLineNumber if line is None else line}: {text}")
        if len(self.problems) >= PROBLEMS_MAX:
            raise RelationError(self.problems)

    def _doctype(self, *_: Any) -> None:
        raise RelationError([f"line {self._parser.CurrentLineNumber}: a document type declaration is not taken"])

    def _start(self, name: str, values: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise RelationError([f"line {self._parser.CurrentLineNumber}: nested deeper than {DEPTH_MAX}"])
        known: dict[str, Callable[[dict[str, str]], None]] = {
            "Relation": self._relation,
            "Batch": self._batch,
            "Code": self._code,
        }
        if name in known:
            known[name](values)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "Batch" and self.batches:
            self._close(self.batches[-1])

    def _relation(self, values: dict[str, str]) -> None:
        self._product = values.get("productCode", "")
        if not ids.is_drug_code(self._product):
            self._fault(f"productCode: got {self._product[:40]!r}, want a product code with its check digit")

    def _batch(self, values: dict[str, str]) -> None:
        name = values.get("batchNo", "")
        if _BATCH.fullmatch(name) is None:
            self._fault(f"batchNo: got {name[:40]!r}, want up to 20 of A-Z, 0-9 and -")
        made, until = self._day(values, "madeDate"), self._day(values, "validateDate")
        if made >= until + DAY_MS:
            self._fault("validateDate: before madeDate")
        self._rows = {}
        self.batches.append(RelationBatch(self._product, name, made, until + DAY_MS))

    def _day(self, values: dict[str, str], name: str) -> int:
        text = values.get(name, "")
        try:
            if _DATE.fullmatch(text) is None:
                raise ValueError(text)
            return (date.fromisoformat(text) - _EPOCH).days * DAY_MS - OFFSET_MS
        except ValueError:
            self._fault(f"{name}: got {text[:40]!r}, want a date such as 2026-03-01")
            return 0

    def _code(self, values: dict[str, str]) -> None:
        code, layer, parent = values.get("curCode", ""), values.get("packLayer", ""), values.get("parentCode", "")
        line = self._parser.CurrentLineNumber
        self._count += 1
        if self._count > CODES_MAX:
            raise RelationError([f"line {line}: more than {CODES_MAX} codes"])
        if not self.batches:
            self._fault("a Code outside of a Batch")
        elif not ids.is_drug_trace_code(code) or code in self._rows:
            self._fault(f"curCode: got {code[:40]!r}, want 20 digits, each code once")
        elif layer not in tuple("12345678") or values.get("flag", "0") != "0":
            self._fault(f"{code}: want packLayer 1 to 8 and flag 0")
        else:
            self._rows[code] = _Row(int(layer), "" if parent in ("", "0") else parent, line)

    def _close(self, batch: RelationBatch) -> None:
        """Check what is in what, add the pieces up, and write the chains."""
        rows, self._rows = self._rows, {}
        for code, row in rows.items():
            if row.parent and (row.parent not in rows or rows[row.parent].layer <= row.layer):
                self._fault(f"{code}: parentCode is not a code of this batch with a higher packLayer", row.line)
                return
        for code in sorted(rows, key=lambda each: rows[each].layer):
            row = rows[code]
            row.units = row.units or 1
            if row.parent:
                rows[row.parent].units += row.units
            else:
                batch.units += row.units
        for code, row in rows.items():
            links = [Link(row.layer, row.units, code)]
            while row.parent:
                code, row = row.parent, rows[row.parent]
                links.append(Link(row.layer, row.units, code))
            if len(links) > CHAIN_MAX:
                self._fault(f"{links[0].code}: more than {CHAIN_MAX} packs one inside the other", row.line)
            batch.chains[links[0].code] = write_chain(links)
        if not rows:
            self._fault(f"{batch.batch}: no Code element")


def activations(document: bytes) -> list[bytes]:
    """Payloads of `activate`, one a batch."""
    return [msgspec.json.encode(batch.activate()) for batch in read_relation(document)]
