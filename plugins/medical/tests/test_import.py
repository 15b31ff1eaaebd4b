"""Documents of other standards: the samples run through the chain, and faulty ones say where and why."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hn_medical.fhir import FhirError, read_bundle
from hn_medical.relation import RelationError, read_relation
from hypothesis import given
from hypothesis import strategies as st

from hnnode.errors import Rejected

SAMPLES = Path(__file__).parents[1] / "samples"
RELATION = (SAMPLES / "relation.xml").read_bytes()
REPORTS = (SAMPLES / "reports.json").read_bytes()
CASE, PACK = "83857930000000000011", "83857930000000001005"


def test_the_relation_file_is_activated_and_its_packs_move(world: Any, host: Any) -> None:
    world.drug()
    world.chain.time_ms = 1_780_000_000_000
    for item in host.import_document("medical", "relation", RELATION, {}):
        assert (item.actor, item.action) == ("mah", "activate")
        assert world.chain.submit(world.maker, item.action, item.payload).ok
    batch = read_relation(RELATION)[0]
    assert (batch.units, len(batch.chains), batch.batch) == (9, 12, "A260301")

    def ref(name: str) -> dict[str, Any]:
        proof = batch.proof(name)
        return {"code": name, "proof": {"root": proof.root, "chain": proof.chain, "path": proof.path}}

    world.ok(world.maker, "ship", shipment="FIRST-1", to=world.shop.hex(), packs=[ref(CASE)])
    world.ok(world.shop, "receive", shipment="FIRST-1")
    world.ok(world.shop, "dispense", **ref(PACK), rx="cd" * 32)
    assert world.query("code", code=PACK)["containers"] == []
    assert world.query("batch", product="86904879000126", batch="A260301")["units"] == 9
    world.check()


def test_the_command_gives_proofs() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hn_medical", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)}
        )

    file = str(SAMPLES / "relation.xml")
    made = run("proof", file, CASE, PACK)
    assert [json.loads(line)["code"] for line in made.stdout.splitlines()] == [CASE, PACK]
    assert len(run("codes", file).stdout.splitlines()) == 12
    assert run("proof", file, "8" * 20).returncode == 1
    assert run("proof", "nothing.xml", CASE).returncode == 1
    assert run("other").returncode == 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('productCode="86904879000126"', 'productCode="86904879000127"', "line 5: productCode"),
        ('batchNo="A260301"', 'batchNo="批号"', "line 6: batchNo"),
        ('madeDate="2026-03-01"', 'madeDate="2026-02-30"', "line 6: madeDate"),
        ('validateDate="2029-02-28"', 'validateDate="2026-02-27"', "line 6: validateDate"),
        ('curCode="83857930000000000011"', 'curCode="8385"', "line 7: curCode"),
        ('curCode="83857930000000000102"', 'curCode="83857930000000000101"', "line 9: curCode"),
        ('packLayer="3"', 'packLayer="1"', "parentCode is not a code"),
        ('packLayer="3"', 'packLayer="9"', "packLayer 1 to 8"),
        ('flag="0"/>', 'flag="7"/>', "flag 0"),
        ('parentCode="83857930000000000101"', 'parentCode="83857930000000009999"', "parentCode is not a code"),
        ("<Document", "<!DOCTYPE a [<!ENTITY b 'c'>]><Document", "document type declaration"),
        ("</Document>", "", "line"),
        ("Batch", "Other", "outside of a Batch"),
    ],
)
def test_a_faulty_relation_file_is_refused_with_its_line(host: Any, old: str, new: str, reason: str) -> None:
    broken = RELATION.replace(old.encode(), new.encode())
    assert broken != RELATION
    with pytest.raises(Rejected) as caught:
        host.import_document("medical", "relation", broken, {})
    assert reason in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(document: bytes) -> None:
    with pytest.raises(RelationError):
        read_relation(document)
    with pytest.raises(FhirError):
        read_bundle(document)


def test_the_reports_are_indexed(world: Any, host: Any) -> None:
    world.bound()
    world.ok(world.commission, "set_item", item="LAB00001", kind="laboratory", valid_days=30)
    world.chain.time_ms = 1_780_000_000_000
    items = host.import_document("medical", "fhir", REPORTS, {})
    assert [item.action for item in items] == ["register_index", "register_index", "amend"]
    for item in items:
        assert item.actor == "hospital"
        assert world.chain.submit(world.clinic, item.action, item.payload).ok
    listed = world.index_of("0001" + "5e" * 32)
    assert sorted(report.status for _, report in listed) == [1, 1, 2]
    assert listed[0][1].performed_ms == 1_772_328_600_000
    world.check()


def test_a_faulty_bundle_is_refused_with_its_place(host: Any) -> None:
    good = json.loads(REPORTS)

    def refused(change: Any, reason: str) -> None:
        broken = copy.deepcopy(good)
        change(broken["entry"][1]["resource"])
        with pytest.raises(Rejected) as caught:
            host.import_document("medical", "fhir", json.dumps(broken).encode(), {})
        assert "/entry/1" in str(caught.value)
        assert reason in str(caught.value)

    refused(lambda r: r.update(resourceType="Patient"), "want DiagnosticReport")
    refused(lambda r: r.update(status="preliminary"), "status")
    refused(lambda r: r.update(identifier=[]), "urn:hnnode:report")
    refused(lambda r: r.update(effectiveDateTime="2026-03-01"), "effectiveDateTime")
    refused(lambda r: r["subject"]["identifier"].update(value="110105194912310021"), "patient")
    refused(lambda r: r.pop("presentedForm"), "presentedForm")
    assert host.import_document("medical", "fhir", REPORTS, {})
    with pytest.raises(Rejected):
        host.import_document("medical", "odd", REPORTS, {})
