"""`hnnode storage reset`: a node whose data are damaged comes back through its peers."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from hnnode.cli.app import application
from hnnode.storage import Home
from tests.kit.processes import running_chain


def test_reset_node_fetches_the_chain_again(tmp_path: Path) -> None:
    with running_chain(tmp_path) as chain:
        acknowledged = chain.preserve(0, 10) + chain.preserve(1, 10)
        runner = CliRunner()
        busy = runner.invoke(application, ["storage", "reset", "--home", str(chain.homes[2])])
        assert busy.exit_code != 0, "a running node must not be reset"
        chain.net.kill(2)
        done = runner.invoke(application, ["storage", "reset", "--home", str(chain.homes[2]), "-o", "json"])
        assert done.exit_code == 0, done.output
        assert (Home(chain.homes[2]).root / "data.old1").is_dir()
        chain.net.start(2)
        chain.net.wait_ready([2])
        chain.until(lambda: chain.height(2) >= chain.height(0), "caught up")
        chain.check_equal([0, 1, 2, 3])
        chain.check_committed(2, acknowledged)
