"""Proofs of packs from a relation file: `python -m hn_medical proof FILE CODE…`, one JSON line a pack.

A line is what `ship`, `aggregate`, `destroy` and `return_packs` take in `packs`; `python -m hn_medical codes FILE` lists
the codes with their chains.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from hn_medical.relation import RelationError, read_relation
from hn_medical.trace_models import Pack

USAGE = "usage: python -m hn_medical proof FILE CODE… | codes FILE"


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0] not in ("proof", "codes"):
        sys.stderr.write(USAGE + "\n")
        return 2
    try:
        batches = read_relation(Path(arguments[1]).read_bytes())
    except (OSError, RelationError) as e:
        sys.stderr.write(f"{e}\n")
        return 1
    if arguments[0] == "codes":
        for batch in batches:
            for code, chain in sorted(batch.chains.items()):
                sys.stdout.write(f"{code} {batch.batch} {chain}\n")
        return 0
    for code in arguments[2:]:
        found = [batch for batch in batches if code in batch.chains]
        if not found:
            sys.stderr.write(f"{code}: not in {arguments[1]}\n")
            return 1
        pack = Pack(code=code, proof=found[0].proof(code))
        sys.stdout.write(msgspec.json.encode(pack).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
