"""What every test leaves as it found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hnnode.cli.language import current, set_language


@pytest.fixture(autouse=True)
def keeps_language() -> Iterator[None]:
    """A command run in this process sets the language of the process."""
    before = current()
    yield
    set_language(before)
