"""The `hnnode` command: one module per noun, `app.py` puts them together.

Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 rejected, 5 timeout with unknown result, 6 unavailable or full.
No verb talks to anything but a node.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script."""
    from hnnode.cli.app import run

    run()
