"""Numbers of people at the doors of real nodes: refused through each way in, and no matter of consensus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from hnnode.config import load_config
from hnnode.crypto import MemorySigner
from hnnode.crypto.keys import write_key_file
from hnnode.errors import CODES
from hnnode.primitives.frames import encode_frames
from hnnode.storage import Home
from tests.integration.test_gateways import CODES_WANTED, OCTETS, gateway
from tests.kit.cluster import Cluster, run_cluster
from tests.kit.http import evidence_tx, refused
from tests.kit.processes import running_chain

CARD = "6222021234567890128"
PERSONAL = CODES["PERSONAL_DATA"]


def test_every_way_in_refuses_and_pools_nothing(tmp_path: Path) -> None:
    with running_chain(tmp_path, 1) as chain:
        chain_id = bytes.fromhex(chain.net.status(0)["chain_id"])
        signer = MemorySigner(chain.key)
        payload = {"hash": "ab" * 32, "algorithm": "sm3", "name": f"转账至{CARD}"}
        tx = evidence_tx(chain_id, signer, until=10_000, payload=payload)
        node = chain.net.nodes[0].url
        key = tmp_path / "writer.pem"
        write_key_file(key, chain.key)
        with gateway([node], tmp_path / "gateway.log") as door:
            for url in (node, door.url):
                with httpx.Client(base_url=f"{url}/v1", trust_env=False, timeout=20) as http:
                    for answer in (
                        http.post("/txs", content=tx.data, headers=OCTETS),
                        http.post("/txs", content=iter([tx.data]), headers=OCTETS),
                        http.post("/txs?wait=committed&timeout_ms=2000", content=tx.data, headers=OCTETS),
                        http.post("/txs", json={"tx": tx.data.hex()}),
                    ):
                        problem = refused(answer, "PERSONAL_DATA")
                        assert answer.status_code == 422
                        assert problem["personal"] == {"kind": "bank_card", "field": "name"}
                        assert CARD not in answer.text
                    two = encode_frames([tx.data] * 2)
                    codes = http.post("/txs:batch", content=two, headers=CODES_WANTED).content
                    assert codes == PERSONAL.to_bytes(4, "big") * 2
                    for answer in (
                        http.post("/txs:batch", content=two, headers=OCTETS),
                        http.post("/txs:batch?wait=committed&timeout_ms=2000", content=two, headers=OCTETS),
                        http.post("/txs:batch", json={"txs": [tx.data.hex()] * 2}),
                    ):
                        assert [item["code"] for item in answer.json()["results"]] == [PERSONAL] * 2
                        assert CARD not in answer.text
                command = [sys.executable, "-m", "hnnode.cli", "--node", url, "tx", "submit", "evidence", "preserve"]
                command += ["--payload", json.dumps(payload), "--key", str(key)]
                ended = subprocess.run(command, env={**os.environ, "HNNODE_LANG": "en"}, capture_output=True, text=True)
                assert ended.returncode == 4
                assert "3013 PERSONAL_DATA" in ended.stderr
                assert CARD not in ended.stdout + ended.stderr
        status = chain.net.status(0)
        assert status["pool"]["tx_count"] == 0
        assert httpx.get(f"{node}/v1/txs/{tx.tx_id.hex()}", trust_env=False).status_code == 404
        chain.preserve(0)  # the chain goes on


def test_it_is_a_policy_of_one_node_and_no_matter_of_consensus(tmp_path: Path) -> None:
    async def story(c: Cluster) -> None:
        open_door, others = 2, (0, 1, 3)
        await c.stop(open_door)
        path = Home(c.homes[open_door]).config
        path.write_text(path.read_text("utf-8") + "\n[mempool]\nrefuse_personal = false\n", "utf-8")
        assert load_config(path).mempool.refuse_personal is False
        await c.start(open_door)
        payload = {"hash": "cd" * 32, "algorithm": "sm3", "name": "13812345678"}
        tx = evidence_tx(c.chain_id, MemorySigner(c.user), until=1_000, payload=payload)
        for index in others:
            result = (await c.node(index).mempool.submit([tx.data]))[0]
            assert (result.code, result.personal) == (PERSONAL, ("mobile", "name"))
        await c.until(lambda: c.node(open_door).facts().ready, "the node that takes it is ready")
        assert (await c.node(open_door).mempool.submit([tx.data]))[0].code == 0
        for index in (open_door, *others):
            status = await c.node(index).mempool.wait(tx.tx_id, "committed", 20_000)
            await c.until(lambda i=index: c.node(i).mempool.status(tx.tx_id).state == "committed", "committed")  # type: ignore[misc]
            assert status.state in ("committed", "unknown")
        # What is on the chain is known, whatever the door thinks of it.
        again = (await c.node(others[0]).mempool.submit([tx.data]))[0]
        assert (again.code, again.replayed) == (0, True)
        await c.settle()

    run_cluster(tmp_path, story)
