"""Each part of a benchmark has a network of its own, and verbs name what they share alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from hnnode.bench import network
from hnnode.bench.localnet import LocalNet
from hnnode.bench.network import Setting
from hnnode.bench.plan import Plan
from hnnode.bench.scene import Part
from hnnode.cli.bench import application
from hnnode.cli.bench_scene import scene, scenes

PLAN = Plan("evidence", "chain", 2, 100, 20, None, 1)


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Homes are made as ever, nodes are not started."""

    @contextmanager
    def prepared(homes: Sequence[Path], setting: Setting, on_ready: Any) -> Iterator[tuple[LocalNet, float]]:
        yield LocalNet.of(homes), 0.0

    monkeypatch.setattr(network, "running", prepared)


def _home(net: LocalNet) -> Path:
    return net.nodes[0].home


def test_each_part_has_a_new_chain_and_finds_ports_and_disk_as_the_one_before() -> None:
    seen: list[tuple[bytes, str]] = []
    homes: list[Path] = []
    with scenes(1, PLAN, None, Setting()) as open_scene:
        for part in (Part.knee, Part.measured, Part.overload):
            assert not any(home.exists() for home in homes), "what came before is gone"
            with open_scene(part) as found:
                homes.append(_home(found.net))
                seen.append(((homes[-1] / "genesis.json").read_bytes(), found.net.nodes[0].url))
    assert len({genesis for genesis, _ in seen}) == 3
    assert len({url for _, url in seen}) == 1
    assert not any(home.exists() for home in homes)


def test_the_knee_is_thrown_away_though_the_rest_is_kept(tmp_path: Path) -> None:
    keep = tmp_path / "kept" / "here"
    with scenes(1, PLAN, keep, Setting()) as open_scene:
        with open_scene(Part.knee) as found:
            assert keep in _home(found.net).parents, "on the same disk as what is measured"
        assert list(keep.iterdir()) == []
        with open_scene(Part.measured) as found:
            assert _home(found.net).parent == keep
        with open_scene(Part.overload) as found:
            assert _home(found.net).parent == keep / "overload"
    assert sorted(path.name for path in keep.iterdir()) == ["keys", "node0", "overload"]
    with pytest.raises(FileExistsError), scene(1, PLAN, keep, Setting()):
        pass


def test_progress_says_which_part_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from hnnode.cli import bench_scene

    shown: list[list[str]] = []
    bars = [bench_scene.progress_bar()]
    monkeypatch.setattr(bench_scene, "progress_bar", lambda: bars[0])
    with scenes(1, PLAN, None, Setting()) as open_scene:
        for part in (Part.knee, Part.measured):
            with open_scene(part) as found:
                found.progress("sign", 1, 2)
                shown.append([task.description for task in bars[0].tasks])
    words = [bench_scene.say(*bench_scene._PARTS[part]) for part in ("knee", "measured")]
    assert all(
        len(tasks) == 2 and all(name.startswith(f"{word} · ") for name in tasks)
        for tasks, word in zip(shown, words, strict=True)
    )
    with scene(1, PLAN, None, Setting()) as found:
        found.progress("sign", 1, 2)
        assert not any("·" in task.description for task in bars[0].tasks)


def test_options_of_one_name_mean_one_thing() -> None:
    """`--rate` of one verb is `--rate` of the other, in help and bounds; only what is taken without it may differ."""
    commands = get_command(application).commands  # type: ignore[attr-defined]
    chain, isolation = ({option.name: option for option in commands[name].params} for name in ("chain", "isolation"))
    shared = chain.keys() & isolation.keys()
    assert {"rate", "runs", "seconds", "batch", "seed", "app", "flavour"} <= shared == isolation.keys()
    for name in shared:
        assert _meaning(chain[name]) == _meaning(isolation[name])


def _meaning(option: Any) -> tuple[object, ...]:
    return option.opts, option.help, option.metavar, option.min, option.max, option.type_descriptor.annotation
