"""Pages that wait in memory and leave into files, beside a plain dict."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hnnode_native import PageLayer
from hypothesis import given, settings
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


def page_of(height: int) -> bytes:
    return b"page of %d" % height * 40


def grow(pending: PendingPages, heights: range, *, count: int = 2) -> None:
    """Heights that change so many pages each; two are too few for a new base."""
    for height in heights:
        pending.add(PageLayer([(page, page_of(height)) for page in PAGE_IDS[:count]]))
        pending.drain(height)


def tidied(pending: PendingPages, persisted: int, oldest: int) -> None:
    pending.tidy(persisted, oldest)
    if pending._merging is not None:
        pending._merging.result(10)


@settings(deadline=None)
@given(BLOCKS)
def test_every_height_keeps_its_pages_while_they_leave(blocks: list[tuple[Pages, str]]) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name) / "pages"
        pending = opened(directory)
        wanted: Pages = {}
        whole = -1
        frozen: list[tuple[PagesView, Pages]] = []
        at_height: list[Pages] = []
        for height, (pages, then) in enumerate(blocks):
            pending.add(PageLayer(list(pages.items())))
            wanted = wanted | pages
            at_height.append(wanted)
            if then == "leave" and not pending.is_leaving:
                pending.leave(height)
            elif then == "restart":
                pending.drain(height)
                pending.close()
                pending = opened(directory, height)
                whole = height
            if pending.has_left(height):
                assert pending.byte_count == 0
                whole = height
            # The database holds what was whole, and nobody reads older heights: the files merge, whatever is written meanwhile.
            pending.tidy(whole, height)
            frozen.append((pending.view(), wanted))
        for view, want in frozen:
            assert view.read(PAGE_IDS) == [want.get(page_id) for page_id in PAGE_IDS]
            assert view.read([]) == []
        pending.settle()
        pending.close()
        if whole >= 0:  # what a start after a crash would find
            assert opened(directory, whole).view().read(PAGE_IDS) == [at_height[whole].get(page) for page in PAGE_IDS]


def test_merging_never_reaches_heights_that_the_database_may_not_come_to(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    grow(pending, range(1, 2), count=12)
    grow(pending, range(2, 4))
    pending.add(PageLayer([(page, page_of(4)) for page in PAGE_IDS[:2]]))
    pending.leave(4)
    pending.settle()
    assert pending.has_left(5)
    for persisted, files in ((2, 5), (3, 4), (4, 3)):
        tidied(pending, persisted, 5)
        assert len(list(directory.iterdir())) == files
        copy = tmp_path / f"copy of {persisted}"
        shutil.copytree(directory, copy)
        # The database did not come to height 5: what was written for it is not used.
        assert opened(copy, persisted).view().read(PAGE_IDS[:1]) == [page_of(persisted)]
    pending.close()
    assert opened(directory, 5).view().read(PAGE_IDS[:1]) == [page_of(4)]


def test_a_new_base_is_alone_once_the_database_holds_it_and_nobody_reads_an_older_height(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    grow(pending, range(3, 4), count=12)
    pending.add(PageLayer([(page, page_of(4)) for page in PAGE_IDS]))
    pending.leave(4)
    view = pending.view()
    pending.settle()
    assert pending.has_left(5)
    for persisted, oldest, files in ((3, 5, 3), (4, 5, 3), (5, 4, 3), (5, 5, 2)):
        tidied(pending, persisted, oldest)
        assert len(list(directory.iterdir())) == files
        # What a start after a crash may find, whichever of the two heights the files of the database are of.
        for height, want in ((3, page_of(3)), (5, page_of(4))):
            copy = tmp_path / f"copy of {persisted} and {oldest} at {height}"
            shutil.copytree(directory, copy)
            if files == 3 or height == 5:
                assert opened(copy, height).view().read(PAGE_IDS) == [want] * 12
    assert view.read(PAGE_IDS) == [page_of(4)] * 12
    pending.close()


def test_what_is_drained_stands_once(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    for height in (1, 2):
        grow(pending, range(height, height + 1), count=12)
        pending.held(height)
        assert len(list(directory.iterdir())) == 1
    pending.close()


def test_a_merge_that_a_new_base_overtakes_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    grow(pending, range(1, 2), count=12)
    grow(pending, range(2, 5))
    merge = pending._opened().merge(4)
    assert merge is not None
    merged = merge.step()
    assert merged is not None
    grow(pending, range(5, 6), count=12)
    assert len(list(directory.iterdir())) == 6
    pending._take(merged)
    assert len(list(directory.iterdir())) == 5
    tidied(pending, 5, 5)
    assert len(list(directory.iterdir())) == 1
    assert pending.view().read(PAGE_IDS) == [page_of(5)] * 12
    pending.close()


def test_merged_files_go_without_a_further_block(tmp_path: Path) -> None:
    """And whoever reads a height of before reads the file that took their place: none is kept open for him."""
    directory = tmp_path / "pages"
    pending = opened(directory)
    grow(pending, range(1, 2), count=12)
    grow(pending, range(2, 6))
    view = pending.view()
    assert len(list(directory.iterdir())) == 5
    pending.tidy(5, 4)
    assert pending._merging is None, "height 4 is still read"
    pending.tidy(5, 5)
    assert pending._merging is not None
    pending._merging.result(10)
    (merged,) = directory.iterdir()
    held = [Path(entry).resolve() for entry in Path("/proc/self/fd").iterdir()]
    assert [path for path in held if path.parent == directory.resolve()] == [merged.resolve()]
    assert view.read(PAGE_IDS) == [page_of(5)] * 2 + [page_of(1)] * 10
    pending.close()


def test_a_close_does_not_wait_for_a_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    pages = [(bytes([6]) + n.to_bytes(3, "big"), bytes([n % 255 + 1]) * 500) for n in range(8000)]
    for height, count in ((1, 8000), (2, 1600), (3, 1600), (4, 1600)):
        pending.add(PageLayer(pages[:count]))
        pending.drain(height)
    resting = pending_pages.Event()
    monkeypatch.setattr(pending._closing, "wait", lambda _: resting.set() or type(resting).wait(pending._closing, 60))
    pending.tidy(4, 4)
    assert resting.wait(10), "a mebibyte is written and more is to come"
    assert pending.is_busy
    pending.close()
    assert not pending.is_busy
    assert [path.suffix for path in directory.iterdir()] == [".pages"] * 4
    assert opened(directory, 4).view().read([pages[7][0]]) == [pages[7][1]]


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
        pending.check()
    with pytest.raises(FatalError, match=r"6001.*No such file"):
        pending.has_left(2)
    pending.check()


def test_a_failed_merge_is_told_with_a_later_block(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    grow(pending, range(1, 2), count=12)
    grow(pending, range(2, 6))
    newest = max(directory.iterdir())
    whole = newest.read_bytes()
    newest.write_bytes(whole[:30] + b"?" + whole[31:])
    pending.tidy(5, 5)
    assert pending._merging is not None
    assert pending._merging.exception(10) is not None
    assert len(list(directory.iterdir())) == 5
    with pytest.raises(FatalError, match=r"6006.*damaged: block"):
        pending.check()  # no block need come
    with pytest.raises(FatalError, match=r"6006.*damaged: block"):
        pending.tidy(5, 5)
    pending.close()


def test_a_damaged_file_is_not_taken_into_a_new_base(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    grow(pending, range(1, 2), count=12)
    (path,) = directory.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:30] + b"?" + whole[31:])
    with pytest.raises(FatalError, match=r"6006.*damaged: block"):
        grow(pending, range(2, 3), count=11)
    assert list(directory.iterdir()) == [path]
    pending.close()


def test_a_file_that_is_merged_again_is_not_kept_open(tmp_path: Path) -> None:
    directory = tmp_path / "pages"
    pending = opened(directory)
    grow(pending, range(1, 2), count=12)
    grow(pending, range(2, 5))
    pending.add(PageLayer([(PAGE_IDS[0], b"new")]))
    pending.leave(5)
    pending.settle()
    tidied(pending, 4, 4)  # while files are being written, which are to follow the merged one
    assert pending.has_left(6)
    assert len(list(directory.iterdir())) == 3
    grow(pending, range(7, 8), count=12)
    tidied(pending, 7, 7)
    held = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    assert [path for path in held if str(directory) in path] == [str(path) for path in directory.iterdir()]
    assert opened(directory, 7).view().read(PAGE_IDS) == [page_of(7)] * 12
    pending.close()
