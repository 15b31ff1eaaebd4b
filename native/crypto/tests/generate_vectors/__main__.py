"""Write tests/vectors/{sm2,sm3,sm4}.json from plain integers, as an implementation independent of the Rust crate.

Usage: python native/crypto/tests/generate_vectors tests/vectors
Everything here is slow, simple and deterministic; standard library only. The Rust tests recompute each file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sm2 import sm2_file
from sm3 import sm3_file
from sm4 import sm4_file


def main() -> None:
    """Write the three files into the folder named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: generate_vectors FOLDER")
    folder = Path(sys.argv[1])
    for name, content in {"sm2": sm2_file(), "sm3": sm3_file(), "sm4": sm4_file()}.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
