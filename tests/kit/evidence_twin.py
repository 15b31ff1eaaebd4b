"""Naive twin of application `evidence`: one dictionary, one transaction after another, bytes put together by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hnnode.errors import CODES

RULE, INVALID, ROLE = CODES["RULE_VIOLATION"], CODES["PAYLOAD_INVALID"], CODES["ROLE_MISSING"]
SKEW_MS = 600_000
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
ROLES = {"verify": {"court"}, "archive_case": {"court"}, "issue_certificate": {"notary", "appraiser", "court"}}


class Refused(Exception):
    """(code, rule)"""


@dataclass
class EvidenceTwin:
    """`roles` of each account never change here; `run` gives (code, rule, names of events)."""

    roles: dict[bytes, set[str]]
    rows: dict[bytes, bytes] = field(default_factory=dict)

    def run(self, tx_id: bytes, sender: bytes, action: str, raw: bytes, height: int, time_ms: int) -> Any:
        self.sender, self.tx_id, self.time_ms = sender, tx_id, time_ms
        self.stamp = height.to_bytes(8, "big") + time_ms.to_bytes(8, "big") + tx_id
        self.events: list[str] = []
        needed = ROLES.get(action)
        if needed and not needed & self.roles[sender]:
            return ROLE, "", []
        before = dict(self.rows)
        try:
            try:
                payload = msgspec.json.decode(raw)
            except msgspec.DecodeError as e:
                raise Refused(INVALID, "") from e
            getattr(self, f"do_{action}")(payload)
        except Refused as refused:
            self.rows = before
            return *refused.args, []
        return 0, "", self.events

    # ---------------------------------------------------------------- help
    def need(self, rule: str, holds: bool) -> None:
        if not holds:
            raise Refused(RULE, f"evidence.{rule}")

    def accounts(self, texts: list[str]) -> list[bytes]:
        found = sorted(bytes.fromhex(text) for text in texts)
        if len(found) > 16 or len(set(found)) != len(found):
            raise Refused(INVALID, "")
        return found

    def policy(self, given: dict[str, Any]) -> bytes:
        accounts, roles = self.accounts(given.get("accounts", [])), sorted(given.get("roles", []))
        bad = len(roles) > 8 or len(set(roles)) != len(roles) or not all(NAME.fullmatch(role) for role in roles)
        unreachable = not roles and accounts and given["needed"] > len(accounts)
        if bad or unreachable or not 1 <= given["needed"] <= 16:
            raise Refused(INVALID, "")
        named = b"".join(bytes([len(role)]) + role.encode() for role in roles)
        return bytes([given["needed"], len(accounts)]) + b"".join(accounts) + bytes([len(roles)]) + named

    @staticmethod
    def met(policy: bytes, signers: list[tuple[bytes, str]]) -> bool:
        needed, count = policy[0], policy[1]
        accounts = [policy[2 + 20 * i : 22 + 20 * i] for i in range(count)]
        at, roles = 3 + 20 * count, []
        for _ in range(policy[at - 1]):
            roles.append(policy[at + 1 : at + 1 + policy[at]].decode())
            at += 1 + policy[at]
        anybody = not accounts and not roles
        return sum(anybody or who in accounts or role in roles for who, role in signers) >= needed

    def put(self, key: bytes, value: bytes, *events: str) -> None:
        self.rows[key] = value
        self.events += events

    # ---------------------------------------------------------------- records
    def do_preserve(self, given: dict[str, Any]) -> None:
        key = b"r" + bytes.fromhex(given["hash"]) + self.sender
        if key in self.rows:
            return
        self.write_record(key, given)

    def write_record(self, key: bytes, given: dict[str, Any]) -> None:
        previous = bytes.fromhex(given.get("previous", ""))
        self.need("previous_unknown", not previous or b"r" + previous + self.sender in self.rows)
        name = given.get("name", "").encode()
        head = bytes([{"sm3": 1, "sha256": 2}[given["algorithm"]]]) + given.get("size", 0).to_bytes(8, "big")
        tail = (b"\1" + previous) if previous else bytes(33)
        self.put(key, b"\1" + self.stamp + head + bytes([len(name)]) + name + tail, "evidence.preserved")

    def do_preserve_batch(self, given: dict[str, Any]) -> None:
        key = b"b" + bytes.fromhex(given["root"]) + self.sender
        if not given["leaf_count"]:
            raise Refused(INVALID, "")
        if key not in self.rows:
            value = b"\1" + self.stamp + b"\1" + given["leaf_count"].to_bytes(8, "big") + b"\0" + bytes(33)
            self.put(key, value, "evidence.batch_preserved")

    def do_collect(self, given: dict[str, Any]) -> None:
        pair = bytes.fromhex(given["hash"]) + self.sender
        if b"r" + pair in self.rows:
            return self.need("already_preserved", b"m" + pair in self.rows)
        token = given.get("token")
        self.need("token_skew", token is None or abs(token["time_ms"] - self.time_ms) <= SKEW_MS)
        self.write_record(b"r" + pair, given)
        value = b"\1" + self.stamp
        for text in (given.get("mime", ""), given.get("collector", "")):
            value += bytes([len(text.encode())]) + text.encode()
        environment = bytes.fromhex(given.get("environment", ""))
        value += (b"\1" + environment if environment else bytes(33)) + b"\0"
        if token is None:
            value += b"\0"
        else:
            value += b"\1" + token["time_ms"].to_bytes(8, "big") + bytes.fromhex(token["hash"]) + b"\0"
        return self.put(b"m" + pair, value, "evidence.collected")

    def do_cosign(self, given: dict[str, Any], role: str = "") -> None:
        owner = bytes.fromhex(given["owner"])
        pair = bytes.fromhex(given["hash"]) + owner
        self.need("record_unknown", b"r" + pair in self.rows)
        self.need("own_record", owner != self.sender)
        self.need("role_not_held", not role or role in self.roles[self.sender])
        self.need("already_cosigned", b"c" + pair + self.sender not in self.rows)
        tail = bytes([len(role)]) + role.encode() if role else b""
        self.put(b"c" + pair + self.sender, (b"\2" if role else b"\1") + self.stamp + tail, "evidence.cosigned")

    def do_cosign_as(self, given: dict[str, Any]) -> None:
        if not NAME.fullmatch(given["role"]):
            raise Refused(INVALID, "")
        self.do_cosign(given, given["role"])

    def do_set_policy(self, given: dict[str, Any]) -> None:
        policy = self.policy(given["policy"])
        pair = bytes.fromhex(given["hash"]) + self.sender
        self.need("record_unknown", b"r" + pair in self.rows)
        self.need("own_record", self.sender.hex() not in given["policy"].get("accounts", []))
        self.need("policy_already_set", b"p" + pair not in self.rows)
        self.put(b"p" + pair, b"\1" + self.stamp + policy, "evidence.policy_set")

    def do_link_correction(self, given: dict[str, Any]) -> None:
        one, by = (bytes.fromhex(given[name]) + self.sender for name in ("hash", "by"))
        self.need("record_unknown", b"r" + one in self.rows and b"r" + by in self.rows)
        self.need("already_corrected", b"x" + one not in self.rows)
        self.need("correction_invalid", one != by and b"x" + by not in self.rows)
        self.put(b"x" + one, b"\1" + self.stamp + by[:32] + bytes(33), "evidence.corrected")

    def do_issue_certificate(self, given: dict[str, Any]) -> None:
        pair = bytes.fromhex(given["hash"] + given["owner"])
        self.need("record_unknown", b"r" + pair in self.rows)
        key = b"t" + pair + bytes.fromhex(given["certificate"])
        if key not in self.rows:
            self.put(key, b"\1" + self.stamp + self.sender, "evidence.certified")

    # ---------------------------------------------------------------- cases
    def do_open_case(self, given: dict[str, Any]) -> None:
        parties, phases = self.accounts(given.get("parties", [])), given.get("phases", [])
        policy = self.policy(given["policy"]) if "policy" in given else None
        if len(phases) > 16 or not all(0 < len(phase.encode()) <= 64 for phase in phases):
            raise Refused(INVALID, "")
        name = given.get("name", "").encode()
        value = b"\1" + self.stamp + self.sender + bytes.fromhex(given["court"]) + bytes([len(name)]) + name
        value += bytes([len(parties)]) + b"".join(parties) + bytes([len(phases)])
        value += b"".join(bytes([len(phase.encode())]) + phase.encode() for phase in phases)
        self.put(b"k" + self.tx_id, value + (b"\0" if policy is None else b"\1" + policy), "evidence.case_opened")
        self.progress(self.tx_id, [0, 0, 0, 0])

    def progress(self, case: bytes, counts: list[int], archived: bytes = b"") -> None:
        numbers = b"".join(count.to_bytes(4, "big") for count in counts[1:])
        self.rows[b"g" + case] = b"\1" + bytes(counts[:1]) + numbers + (b"\1" + archived if archived else b"\0")

    def case(self, given: dict[str, Any]) -> tuple[bytes, list[int], bytes]:
        """Its value behind the stamp, phase and counts, its id; it has to be open."""
        case = bytes.fromhex(given["case"])
        self.need("case_unknown", b"k" + case in self.rows)
        row = self.rows[b"g" + case]
        self.need("case_archived", row[14] == 0)
        counts = [row[1], *(int.from_bytes(row[at : at + 4], "big") for at in (2, 6, 10))]
        return self.rows[b"k" + case][49:], counts, case

    @staticmethod
    def lists(facts: bytes) -> tuple[list[bytes], int, bytes | None]:
        """Parties, number of phases, policy."""
        at = 41 + facts[40]
        parties = [facts[at + 1 + 20 * i : at + 21 + 20 * i] for i in range(facts[at])]
        at += 1 + 20 * facts[at]
        count, at = facts[at], at + 1
        for _ in range(count):
            at += 1 + facts[at]
        return parties, count, facts[at + 1 :] if facts[at] else None

    def do_advance_case(self, given: dict[str, Any]) -> None:
        facts, counts, case = self.case(given)
        self.need("not_in_charge", self.sender in (facts[:20], facts[20:40]))
        self.need("last_phase", counts[0] + 1 < self.lists(facts)[1])
        self.progress(case, [counts[0] + 1, *counts[1:]])
        self.events.append("evidence.phase_begun")

    def do_submit_to_case(self, given: dict[str, Any]) -> None:
        signers = self.accounts(given.get("signers", []))
        facts, counts, case = self.case(given)
        parties, _, asked = self.lists(facts)
        pair = bytes.fromhex(given["hash"]) + self.sender
        self.need("not_a_party", self.sender in (facts[:20], facts[20:40], *parties))
        self.need("record_unknown", b"r" + pair in self.rows)
        self.need("already_submitted", b"i" + case + pair not in self.rows)
        rows = [self.rows.get(b"c" + pair + signer) for signer in signers]
        self.need("cosignature_unknown", None not in rows)
        cosigned = [(signer, (row or b"")[50:].decode()) for signer, row in zip(signers, rows, strict=True)]
        own = self.rows.get(b"p" + pair)
        policies = [policy for policy in (own[49:] if own else None, asked) if policy is not None]
        self.need("cosignatures_missing", all(self.met(policy, cosigned) for policy in policies))
        value = b"\1" + self.stamp + bytes([counts[0], len(signers)]) + b"".join(signers) + b"\0"
        self.put(b"i" + case + pair, value, "evidence.submitted")
        self.put(b"l" + pair + case, b"\1")
        self.progress(case, [counts[0], counts[1] + 1, *counts[2:]])

    def do_verify(self, given: dict[str, Any]) -> None:
        facts, counts, case = self.case(given)
        self.need("not_the_court", self.sender == facts[20:40])
        key = b"i" + case + bytes.fromhex(given["hash"] + given["owner"])
        self.need("item_unknown", key in self.rows)
        row = self.rows[key]
        self.need("already_verified", len(row) == 52 + 20 * row[50])
        match = given["computed"] == given["hash"]
        report = bytes.fromhex(given.get("report", ""))
        tail = self.stamp + bytes.fromhex(given["computed"]) + (b"\1" + report if report else bytes(33))
        self.put(key, row[:-1] + b"\1" + tail, "evidence.match" if match else "evidence.mismatch")
        self.progress(case, [*counts[:2], counts[2] + match, counts[3] + (not match)])

    def do_archive_case(self, given: dict[str, Any]) -> None:
        facts, counts, case = self.case(given)
        self.need("not_the_court", self.sender == facts[20:40])
        self.need("items_open", counts[2] + counts[3] == counts[1])
        self.progress(case, counts, self.stamp)
        self.events.append("evidence.archived")
