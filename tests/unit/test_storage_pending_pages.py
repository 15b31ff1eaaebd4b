"""Pages that wait in memory and leave into files, beside a plain dict."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hnnode_native import PageLayer
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import FatalError
from hnnode.storage import pending_pages
from hnnode.storage.pending_pages import PagesView, PendingPages

PAGE_IDS = [bytes([1, i << 4]) for i in range(12)]
Pages = dict[bytes, bytes | None]
PAGES = st.dictionaries(st.sampled_from(PAGE_IDS), st.one_of(st.none(), st.binary(min_size=1, max_size=9)), max_size=5)
BLOCKS = st.lists(st.tuples(PAGES, st.sampled_from(["wait", "leave", "restart"])), max_size=40)


@pytest.fixture(autouse=True)
def small_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_pages, "REST_BYTES", 150)


def opened(directory: Path, height: int | None = None) -> PendingPages:
    pending = PendingPages(directory)
    pending.open(height)
    return pending


@given(BLOCKS)
def test_every_height_keeps_its_pages_while_they_leave(blocks: list[tuple[Pages, str]]) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name) / "pages"
        pending = opened(directory)
        wanted: Pages = {}
        frozen: list[tuple[PagesView, Pages]] = []
        for height, (pages, then) in enumerate(blocks):
            pending.add(PageLayer(list(pages.items())))
            wanted = wanted | pages
            if then == "leave" and not pending.is_leaving:
                pending.leave(height)
            elif then == "restart":
                pending.drain(height)
                pending = opened(directory, height)
            if pending.has_left(height):
                assert pending.byte_count == 0
                pending.sweep(height)
                # What a start after a crash would find.
                assert opened(directory, height).view().read(PAGE_IDS) == [wanted.get(page) for page in PAGE_IDS]
            frozen.append((pending.view(), wanted))
        for view, want in frozen:
            assert view.read(PAGE_IDS) == [want.get(page_id) for page_id in PAGE_IDS]
            assert view.read([]) == []
        pending.settle()


def test_files_stay_until_the_database_holds_the_newer_height(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    pending.add(PageLayer([(PAGE_IDS[0], b"old")]))
    pending.drain(3)
    pending.sweep(3)
    pending.add(PageLayer([(PAGE_IDS[0], b"new" * 200)]))
    pending.leave(4)
    pending.settle()
    assert pending.has_left(5)
    pending.sweep(4)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in directory.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    # The database did not come to height 5: what was written for it is not used.
    assert opened(copy, 3).view().read(PAGE_IDS[:1]) == [b"old"]
    pending.sweep(5)
    assert opened(directory, 5).view().read(PAGE_IDS[:1]) == [b"new" * 200]
    with pytest.raises(FatalError, match=r"6006.*height 3"):
        opened(directory, 3)


def test_damage_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    pending.add(PageLayer([(page, b"page") for page in PAGE_IDS]))
    pending.drain(1)
    (path,) = directory.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:30] + b"?" + whole[31:])
    with pytest.raises(FatalError, match=r"6006.*damaged: block"):
        opened(directory, 1).view().read(PAGE_IDS)
    for damaged in (whole[:-1], whole[:10] + b"?" + whole[11:], b""):
        path.write_bytes(damaged)
        with pytest.raises(FatalError, match=r"6006.*damaged"):
            opened(directory, 1)
    path.unlink()
    with pytest.raises(FatalError, match=r"6006.*no pages"):
        opened(directory, 1)


def test_a_failed_write_is_told_with_a_later_block(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    pending.add(PageLayer([(PAGE_IDS[0], b"page")]))
    directory.rmdir()
    pending.leave(1)
    pending.settle()
    with pytest.raises(FatalError, match=r"6001.*No such file"):
        pending.has_left(2)
