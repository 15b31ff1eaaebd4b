"""The plugin set that the core keeps beside one that is worked out from the whole history again at every height."""

from __future__ import annotations

from typing import Any

import hnnode_native as native
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hnnode.errors import CODES
from hnnode.execution.governance_records import SET_KEY, Code, Proposal, decode_closed, decode_set, genesis_set
from hnnode.execution.native_events import NATIVE_EVENTS
from hnnode.governance.voting import propose_payload, vote_payload
from hnnode.plugin_api.testing import MemoryState

CHAIN = bytes(31) + b"\x07"
VALID_BLOCKS = 100_000
KEYS = [native.SecretKey.generate(bytes([n + 1]) * 32) for n in range(4)]
POWERS = (1, 1, 2, 3)
ADMIN = KEYS[0]
VALIDATORS = native.ValidatorSet(0, [(key.public_key(), power) for key, power in zip(KEYS, POWERS, strict=True)])
TOTAL = sum(POWERS)
NAMES = ("alpha", "beta")
EVENTS = {event.name: event.model for event in NATIVE_EVENTS["governance"]}
FIRST = Code("1.0", 1, 1, "01" * 32)


def accounts() -> native.Accounts:
    known = native.Accounts(1 << 20)
    known.load([(ADMIN.account(), native.encode_account_record(ADMIN.public_key(), True, 0, "o", ["admin"]))])
    return known


class Twin:
    """Everything that was accepted, and nothing else; sets are worked out from the beginning."""

    def __init__(self) -> None:
        self.height = 0
        self.proposals: list[dict[str, Any]] = []
        self.votes: list[tuple[int, int, int, bool]] = []
        self.pages: dict[int, str] = {}

    def history(self, height: int) -> tuple[dict[str, dict[str, Any]], dict[int, str]]:
        """The set after block `height`, and how the proposals ended until then."""
        plugins: dict[str, dict[str, Any]] = {
            "alpha": {"code": FIRST, "status": "enabled", "data": 1, "since": 1, "number": 0}
        }
        ended: dict[int, str] = {}
        for at in range(1, height + 1):
            page = self.pages.get(at)
            moving = sorted(name for name, plugin in plugins.items() if plugin["status"] == "migrating")
            if page is not None:
                self._page(plugins[moving[0]], page, at)
            for proposal in self.proposals:
                if proposal["number"] in ended or proposal["made"] > at:
                    continue
                against = sum(
                    POWERS[v] for n, h, v, yes in self.votes if n == proposal["number"] and h <= at and not yes
                )
                if 3 * (TOTAL - against) <= 2 * TOTAL:
                    ended[proposal["number"]] = "void"
                    continue
                if proposal["activation_height"] != at + 1:
                    continue
                power = sum(POWERS[v] for n, h, v, yes in self.votes if n == proposal["number"] and h <= at and yes)
                ended[proposal["number"]] = "active" if 3 * power > 2 * TOTAL else "void"
                if ended[proposal["number"]] == "active":
                    self._apply(plugins, proposal, at + 1)
        return plugins, ended

    def _apply(self, plugins: dict[str, dict[str, Any]], proposal: dict[str, Any], height: int) -> None:
        code, kind, number = proposal["code"], proposal["kind"], proposal["number"]
        if kind == "activate":
            plugins[proposal["name"]] = {"code": code, "status": "enabled", "data": code.state_version}
        plugin = plugins[proposal["name"]]
        plugin |= {"since": height, "number": number}
        if kind == "disable":
            plugin["status"] = "disabled"
        elif kind == "enable":
            plugin["status"] = "enabled"
        elif kind == "upgrade":
            moves = plugin["data"] != code.state_version
            plugin["before"] = plugin["status"]
            plugin |= {"status": "migrating" if moves else "enabled", "from": plugin["code"], "phase": 0, "code": code}

    def _page(self, plugin: dict[str, Any], page: str, at: int) -> None:
        if page == "fail":
            plugin["since"] = at + 1
            plugin["status"] = plugin["before"] if plugin["phase"] == 0 else "disabled"
            if plugin["phase"] == 0:
                plugin["code"] = plugin["from"]
        elif page == "pass":
            plugin["phase"] += 1
            if plugin["phase"] == 3:
                plugin |= {"status": "enabled", "data": plugin["code"].state_version, "since": at + 1}

    def propose(self, height: int, payload: dict[str, Any]) -> str:
        """Rule that refuses a proposal in block `height`; empty when it is taken."""
        plugins, ended = self.history(height - 1)
        open_ones = [p for p in self.proposals if p["number"] not in ended]
        kind, name, code = payload["kind"], payload["name"], msgspec.convert(payload, Code)
        plugin = plugins.get(name)
        for breaks, rule in (
            (payload["activation_height"] - height < 4, "activation_too_soon"),
            (any(p["name"] == name for p in open_ones), "proposal_open"),
            (plugin is None and kind != "activate", "plugin_unknown"),
            (plugin is not None and plugin["status"] == "migrating", "migrating"),
            (plugin is not None and kind == "activate", "already_active"),
            (plugin is not None and kind == "upgrade" and plugin["code"].code_hash == code.code_hash, "code_unchanged"),
            (
                plugin is not None
                and kind == "upgrade"
                and plugin["data"] != plugin["code"].state_version
                and code.state_version == plugin["data"],
                "data_between",
            ),
            (plugin is not None and kind in ("enable", "disable") and plugin["code"] != code, "code_differs"),
            (kind == "disable" and plugin is not None and plugin["status"] == "disabled", "already_disabled"),
            (kind == "enable" and plugin is not None and plugin["status"] != "disabled", "already_enabled"),
            (kind == "enable" and plugin is not None and plugin["data"] != code.state_version, "data_differs"),
        ):
            if breaks:
                return f"governance.{rule}"
        number = len(self.proposals) + 1
        facts = {"number": number, "kind": kind, "name": name, "code": code, "made": height}
        self.proposals.append({**facts, "activation_height": payload["activation_height"]})
        return ""

    def vote(self, height: int, number: int, validator: int, approve: bool) -> str:
        _, ended = self.history(height - 1)
        if number in ended or not 1 <= number <= len(self.proposals):
            return "governance.proposal_unknown"
        if any((n, v) == (number, validator) for n, _, v, _ in self.votes):
            return "governance.already_voted"
        self.votes.append((number, height, validator, approve))
        return ""


proposals = st.tuples(
    st.just("propose"),
    st.sampled_from(("activate", "upgrade", "upgrade", "disable", "enable")),
    st.sampled_from(NAMES),
    st.integers(1, 3),
    st.integers(3, 6),
)
ballots = st.tuples(st.just("vote"), st.integers(0, 1), st.integers(0, 3), st.sampled_from((True, True, True, False)))
blocks = st.lists(
    st.tuples(
        st.lists(st.one_of(proposals, ballots, ballots, ballots), max_size=4),
        st.sampled_from(("pass", "more", "pass", "fail")),
    ),
    min_size=4,
    max_size=24,
)


def code_for(twin: Twin, kind: str, name: str, choice: int) -> Code:
    """The code of now for switching, else one of three with layouts 1, 1 and 2."""
    now = twin.history(twin.height)[0].get(name)
    if kind in ("disable", "enable") and now is not None:
        return now["code"]  # type: ignore[no-any-return]
    return Code("1.0", 1, 1 if choice < 3 else 2, f"{choice:02x}" * 32)


def signed_for(number: int, facts: dict[str, Any] | None) -> Proposal:
    """What a validator signs: the proposal as the chain has it, some other one when it has none."""
    facts = facts or {"kind": "activate", "name": "alpha", "code": FIRST, "activation_height": 5}
    return Proposal(
        number, facts["kind"], facts["name"], facts["code"], facts["activation_height"], ADMIN.account().hex(), 0, 0, 0
    )


def table(state: MemoryState) -> native.DispatchTable:
    plugins = decode_set(state.get(native.state_key("governance", SET_KEY))).plugins
    closed = [(p.name, CODES["APPLICATION_MIGRATING"]) for p in plugins if p.status == "migrating"]
    return native.DispatchTable([(p.name, "push", []) for p in plugins], closed, VALIDATORS)


@settings(max_examples=60, deadline=None)
@given(blocks)
def test_the_set_is_that_of_a_twin_over_random_histories(history: list[tuple[list[tuple[Any, ...]], str]]) -> None:
    known, twin, state = accounts(), Twin(), MemoryState()
    state.apply([(native.state_key("governance", SET_KEY), genesis_set({"alpha": FIRST}))])
    for orders, page in history:
        height = twin.height + 1
        payloads: dict[bytes, tuple[Any, ...]] = {}
        signed = []
        made = len(twin.proposals)
        for n, order in enumerate(orders):
            if order[0] == "propose":
                _, kind, name, choice, ahead = order
                payload = propose_payload(kind, name, code_for(twin, kind, name, choice), height + ahead)
                made += 1
            else:
                _, back, validator, approve = order
                number = max(1, made - back)
                found = next((p for p in twin.proposals if p["number"] == number), None)
                payload = vote_payload(KEYS[validator], VALIDATORS, CHAIN, signed_for(number, found), approve=approve)
                order = (*order[:1], number, validator, approve)
            encoded = msgspec.json.encode(payload)
            tx_id, tx = native.build_txs(
                ADMIN, CHAIN, height * 100 + n, height + 50, "governance", order[0], [encoded]
            )[0]
            payloads[tx_id] = (order, payload)
            signed.append(tx)
        batches = []
        if signed:
            pool = native.Pool(CHAIN, 1 << 24, 10_000, 1 << 24, 4_096, 1 << 20, VALID_BLOCKS, 10)
            assert pool.admit(native.DecodedTxs.decode(signed, CHAIN), known, bytes(len(signed)), twin.height) == [
                0
            ] * len(signed)
            batch = pool.seal(KEYS[1], height)
            assert batch is not None
            batches = [batch]
        moving = [name for name, p in sorted(twin.history(twin.height)[0].items()) if p["status"] == "migrating"]
        block = native.BlockExecution(
            CHAIN, height, height * 1_000, ADMIN.account(), VALID_BLOCKS, batches, known, table(state)
        )
        block.set_committed(bytes(len(signed)))
        block.supply(state.get_many(block.native_keys()))
        if moving:
            target = twin.history(twin.height)[0][moving[0]]["code"].state_version
            end: dict[str, Any] = {"pass": {"reached": target}, "more": {"cursor": b"k"}, "fail": {"fault": "no"}}[page]
            block.migrate(moving[0], [], 1, **end)
            twin.pages[height] = page
        block.run_native()
        result = block.finish()
        state.apply(result.writes)
        state.height = twin.height = height
        for tx_id, packed in zip(result.tx_ids, result.receipts, strict=True):
            receipt = native.Receipt.decode(packed)
            order, payload = payloads[tx_id]
            for name, _, data in receipt.events:
                msgspec.json.decode(data, type=EVENTS[name])
            if order[0] == "propose":
                want = twin.propose(height, payload)
            elif receipt.code == CODES["SIGNATURE_INVALID"]:
                continue  # signed for another proposal
            else:
                want = twin.vote(height, *order[1:])
            assert receipt.rule == want, (height, order)
        plugins, ended = twin.history(height)
        got = decode_set(state.get(native.state_key("governance", SET_KEY))).plugins
        assert [(p.name, p.code, p.status, p.data_version, p.since_height, p.proposal) for p in got] == [
            (name, p["code"], p["status"], p["data"], p["since"], p["number"]) for name, p in sorted(plugins.items())
        ]
        for number, outcome in ended.items():
            row = state.get(native.state_key("governance", b"p" + number.to_bytes(8, "big")))
            assert row is not None
            assert decode_closed(row).outcome == outcome


def test_the_row_of_the_genesis_is_written_as_the_core_writes_it() -> None:
    """Any change of the set writes the whole row again: what did not change must keep its bytes."""
    state = MemoryState()
    genesis = genesis_set({"zeta": Code("1.2", 1, 3, "ab" * 32), "alpha": FIRST})
    key = native.state_key("governance", SET_KEY)
    state.apply([(key, genesis)])
    twin = Twin()
    for height in range(1, 7):
        payloads: list[tuple[str, dict[str, Any]]] = []
        if height == 1:
            payloads.append(("propose", propose_payload("activate", "beta", FIRST, 6)))
        if height == 2:
            beta = signed_for(1, {"kind": "activate", "name": "beta", "code": FIRST, "activation_height": 6})
            payloads += [("vote", vote_payload(k, VALIDATORS, CHAIN, beta, approve=True)) for k in KEYS]
        signed = [
            native.build_txs(ADMIN, CHAIN, height * 10 + n, 50, "governance", action, [msgspec.json.encode(payload)])[
                0
            ][1]
            for n, (action, payload) in enumerate(payloads)
        ]
        batches = []
        if signed:
            pool = native.Pool(CHAIN, 1 << 24, 10_000, 1 << 24, 4_096, 1 << 20, VALID_BLOCKS, 10)
            pool.admit(native.DecodedTxs.decode(signed, CHAIN), accounts(), bytes(len(signed)), height - 1)
            batch = pool.seal(KEYS[1], height)
            assert batch is not None
            batches = [batch]
        block = native.BlockExecution(
            CHAIN, height, height, ADMIN.account(), VALID_BLOCKS, batches, accounts(), table(state)
        )
        block.set_committed(bytes(len(signed)))
        block.supply(state.get_many(block.native_keys()))
        block.run_native()
        result = block.finish()
        assert not any(result.codes)
        state.apply(result.writes)
        twin.height = height
    got = state.get(key)
    assert got is not None
    beta = genesis_set({"beta": FIRST})[len(b'{"plugins":[') : -2].replace(
        b'"since_height":1,"proposal":0', b'"since_height":6,"proposal":1'
    )
    at = genesis.index(b'{"name":"zeta"')
    assert got == genesis[:at] + beta + b"," + genesis[at:]
