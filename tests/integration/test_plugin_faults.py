"""What goes wrong around a change of the plugin set: code that is not installed, too few votes, power cuts, a disk that is
empty. The chain goes on, and who comes back comes to the same roots.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hnnode.cli.doctor_plugins import due_plugins
from hnnode.config import load_config
from hnnode.errors import ConfigError
from hnnode.packaging import read_package, write_package
from hnnode.storage import Home
from tests.kit.plugin_packages import TRUST, counter_package
from tests.kit.plugin_votes import PluginVotes, code_of
from tests.kit.processes import running_chain

pytestmark = pytest.mark.timeout(300)
ALL = (0, 1, 2, 3)


@contextmanager
def votes(tmp_path: Path) -> Iterator[PluginVotes]:
    with running_chain(tmp_path, roles=("admin",)) as chain:
        yield PluginVotes(chain)


def wait_ended(chain: PluginVotes, index: int) -> tuple[int, str]:
    """Exit code of a node that stops by itself, and its log."""
    node = chain.chain.net.nodes[index]
    assert node.process is not None
    try:
        code = node.process.wait(60)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"node {index} goes on:\n{node.last_log_lines()}") from None
    return code, node.log.read_text("utf-8")


def test_a_node_without_the_code_stops_before_it_and_joins_again_after_the_install(tmp_path: Path) -> None:
    package = counter_package(tmp_path)
    with votes(tmp_path) as chain:
        chain.install(package, 0, 1, 2)
        height = chain.decide("activate", code_of(package))
        code, text = wait_ended(chain, 3)
        assert code == 1
        said = [line for line in text.splitlines() if "PLUGIN_MISSING" in line]
        assert len(said) == 1
        assert package.code_hash.hex() in said[0]
        assert f"hnnode plugin install hnnode_counter-1.0.0-py3-none-any.whl --home {chain.chain.homes[3]}" in said[0]
        home = Home(chain.chain.homes[3])
        (found,) = due_plugins(home, load_config(home.config).execution)
        assert (found.level, found.check) == ("fail", "plugins")
        assert f"--home {home.root}" in found.text
        assert package.code_hash.hex() in found.text
        # It starts as little without the code as it went on.
        chain.chain.net.start(3)
        code, text = wait_ended(chain, 3)
        assert code != 0
        assert text.count("PLUGIN_MISSING") == 2
        chain.reach(height, 0, 1, 2)
        chain.add("a", 5)
        chain.install(package, 3)
        chain.chain.net.start(3)
        chain.chain.net.wait_ready([3])
        chain.add("a", 6, 3)
        chain.chain.check_equal([*ALL])
        assert chain.total("a", 3) == (1, 11)
        # Its vote is needed again.
        chain.chain.net.kill(0)
        chain.add("a", 1, 1)


def test_too_few_votes_change_nothing(tmp_path: Path) -> None:
    package = counter_package(tmp_path)
    with votes(tmp_path) as chain:
        chain.install(package, *ALL)
        number, height = chain.propose("activate", code_of(package), after=8)
        chain.vote(number, code_of(package), 0, 1)
        chain.vote(number, code_of(package), 2, approve=False)
        while chain.chain.height(0) < height:
            chain.chain.preserve(0, 1)
        with chain.chain.client(0) as client:
            found = client.query("governance", "proposal", {"number": number}).result
            assert (found["outcome"], found["power_for"], found["power_against"]) == ("void", 2, 1)
            assert [vote["approve"] for vote in found["votes"]].count(True) == 2
            assert client.query("governance", "plugins").result["plugins"] == []


@pytest.mark.parametrize("victim", [0, 3])
def test_killed_around_the_activation_and_inside_a_migration(tmp_path: Path, victim: int) -> None:
    """The first node is the one that the votes go through, the last one only listens."""
    first, second = counter_package(tmp_path), counter_package(tmp_path, "2.0.0")
    through = 1 if victim == 0 else 0
    others = tuple(i for i in ALL if i != victim)
    with votes(tmp_path) as chain:
        net = chain.chain.net
        chain.install(first, *ALL)
        chain.install(second, *ALL)
        height = chain.decide("activate", code_of(first), through=through)
        for at in (height - 2, height - 1, height):
            chain.reach(at, *others)
            net.kill(victim)
            net.start(victim)
        net.wait_ready([victim])
        with chain.chain.client(through) as client:
            names = [
                {"name": f"{a}{b}", "amount": 1}
                for a in "abcdefghijklmnopqrstuvwxyz"
                for b in "abcdefghijklmnopqrstuvwxyz"
            ]
            names = [{"name": each["name"] + c, "amount": 1} for each in names for c in "wxyz"]
            client.submit_many("counter", "add", names, wait="committed", timeout_s=60.0)
        height = chain.decide("upgrade", code_of(second), through=through)
        # 2,704 rows: three pages in each of the passes check, move and verify.
        for at in (height - 1, height + 1, height + 4, height + 6, height + 8):
            chain.reach(at, *others)
            net.kill(victim)
            net.start(victim)
        net.wait_ready([victim])
        chain.wait_enabled("2.0.0", through=through)
        assert chain.total("aaw", through) == (2, 1)
        chain.add("aaw", 1, victim)
        chain.chain.check_equal([*ALL])
        assert chain.total("aaw", victim) == (2, 2)
        # All at once, and on.
        for index in ALL:
            net.kill(index)
        net.start_all()
        net.wait_ready()
        chain.add("aaw", 1)
        chain.chain.check_equal([*ALL])


def test_an_empty_disk_syncs_through_an_upgrade_with_the_old_code_at_the_old_heights(tmp_path: Path) -> None:
    first, second = counter_package(tmp_path), counter_package(tmp_path, "2.0.0")
    with votes(tmp_path) as chain:
        chain.install(first, *ALL)
        chain.install(second, *ALL)
        chain.reach(chain.decide("activate", code_of(first)), *ALL)
        for amount in (1, 2, 3):
            chain.add("a", amount)
        chain.decide("upgrade", code_of(second))
        chain.wait_enabled("2.0.0")
        assert chain.total("a") == (2, 6)
        chain.add("a", 4)
        chain.reach(chain.decide("disable", code_of(second)), *ALL)
        home = Home(chain.chain.homes[2])
        chain.chain.net.kill(2)
        shutil.rmtree(home.data)
        home.sign_state.unlink()
        chain.chain.net.start(2)
        chain.chain.net.wait_ready([2])
        chain.chain.until(lambda: chain.chain.height(2) >= chain.chain.height(0), "joined")
        chain.chain.check_equal([*ALL])
        assert chain.total("a", 2) == (2, 10)


def test_a_migration_whose_check_fails_leaves_the_old_code_running(tmp_path: Path) -> None:
    first, second = counter_package(tmp_path), counter_package(tmp_path, "2.0.0")
    with votes(tmp_path) as chain:
        chain.install(first, *ALL)
        chain.install(second, *ALL)
        chain.reach(chain.decide("activate", code_of(first)), *ALL)
        chain.add("bad", 1)
        height = chain.decide("upgrade", code_of(second))
        chain.reach(height, *ALL)
        with chain.chain.client(0) as client:
            found = client.query("governance", "plugins").result["plugins"][0]
        assert (found["status"], found["code"]["version"]) == ("enabled", "1.0.0")
        assert found["fault"] == "row cbad is no number"
        chain.add("bad", 1)
        assert chain.total("bad", 3) == (1, 2)
        chain.chain.check_equal([*ALL])


def test_a_wheel_that_was_changed_is_not_installed(tmp_path: Path) -> None:
    wheel = write_package(counter_package(tmp_path), tmp_path)
    data = bytearray(wheel.read_bytes())
    at = data.index(b"hn_counter/__init__.py") + 60
    data[at] ^= 1
    wheel.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_package(wheel, TRUST)
    assert caught.value.info.name == "PLUGIN_PACKAGE_INVALID"
