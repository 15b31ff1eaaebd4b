"""`python -m hnnode.cli`: how one hnnode process starts another with the same interpreter."""

from hnnode.cli import main

main()
