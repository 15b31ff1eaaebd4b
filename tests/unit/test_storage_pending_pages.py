"""Pages that wait in memory and leave in steps, beside a plain dict."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hnnode_native import PageLayer
from hypothesis import given
from hypothesis import strategies as st

from hnnode.storage import pending_pages
from hnnode.storage.pending_pages import PagesView, PendingPages, Rows

PAGE_IDS = [bytes([1, i << 4]) for i in range(12)]
PAGES = st.dictionaries(st.sampled_from(PAGE_IDS), st.one_of(st.none(), st.binary(min_size=1, max_size=9)), max_size=5)
BLOCKS = st.lists(st.tuples(PAGES, st.booleans()), max_size=90)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_pages, "STEP_ROWS", 2)
    monkeypatch.setattr(pending_pages, "STEPS_A_BLOCK", 2)


@given(BLOCKS)
def test_every_height_keeps_its_pages_while_they_leave(blocks: list[tuple[dict[bytes, bytes | None], bool]]) -> None:
    pending = PendingPages()
    database: dict[bytes, bytes | None] = {}
    wanted: dict[bytes, bytes | None] = {}
    frozen: list[tuple[PagesView, dict[bytes, bytes | None], dict[bytes, bytes | None]]] = []

    def write(rows: Rows) -> None:
        nonlocal database
        database = database | dict(rows)

    for pages, due in blocks:
        pending.add(PageLayer(list(pages.items())))
        wanted = wanted | pages
        if due:
            for rows in pending.steps():
                assert 0 < len(rows) <= 2
                write(rows)
            if pending.is_leaving_done:
                for rows in pending.rest():
                    write(rows)
                assert not pending
                assert pending.byte_count == 0
                assert [database.get(page) for page in PAGE_IDS] == [wanted.get(page) for page in PAGE_IDS]
        frozen.append((pending.view(), database, wanted))
    for view, stored, want in frozen:

        def read(page_ids: Sequence[bytes], stored: dict[bytes, bytes | None] = stored) -> list[bytes | None]:
            return [stored.get(page_id) for page_id in page_ids]

        assert view.read(PAGE_IDS, read) == [want.get(page_id) for page_id in PAGE_IDS]
        assert view.read([], read) == []


def test_what_waits_is_counted_until_it_is_written() -> None:
    pending = PendingPages()
    assert not pending
    pending.add(PageLayer([(PAGE_IDS[0], b"page")]))
    assert pending
    assert pending.byte_count > 4
    assert pending.steps() == [[(PAGE_IDS[0], b"page")]]
    assert pending
    assert pending.rest() == [[], []]
    assert not pending
