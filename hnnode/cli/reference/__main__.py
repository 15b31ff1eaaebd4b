"""Write every generated page into the folder given."""

import sys
from pathlib import Path

from hnnode.cli.reference import PAGES

if len(sys.argv) != 2:
    sys.exit("usage: python -m hnnode.cli.reference FOLDER")
for name, render in PAGES.items():
    (Path(sys.argv[1]) / name).write_text(render(), "utf-8")
