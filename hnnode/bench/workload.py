"""What a benchmark sends: transactions of a plugin's workload, signed before the run and packed into requests."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import hnnode_native as native
import orjson

from hnnode.errors import ConfigError
from hnnode.execution.host import Host
from hnnode.plugin_api.workload import AskingWorkload, Question, WorkItem, Workload

EVIDENCE_ACTORS = 8
PIPELINES = 12
SIGN_CHUNK = 2_000
NAME_CHARS_MAX = 200
PAYLOAD_BYTES_MAX = 64 * 1024
HOT_RECORDS = 16
EVIDENCE_FLAVOURS = ("chain", "declare", "mix")
EVIDENCE_QUERY_SHARE = 0.2
QUESTIONS_PER_BUNDLE = 16


Sampler = Callable[[int, int], tuple[Question, ...]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """One request: `u32 length || signed transaction` repeated, and the ids in the same order.

    It is sent only when every transaction of group `after` is settled (-1: none).
    """

    body: bytes
    tx_ids: tuple[bytes, ...]
    group: int
    after: int
    number: int = 0
    """Unlike that of every other bundle of a run."""
    questions: tuple[Question, ...] = ()
    """Of some of the transactions, answerable once all of them are committed."""
    is_step: bool = False
    """One of several steps of the same things: a client that is told to come again does, and only then takes the next one."""

    def only(self, wanted: Collection[bytes]) -> Bundle:
        """The same request with some of its transactions alone."""
        kept, at = [], 0
        for tx_id in self.tx_ids:
            end = at + 4 + int.from_bytes(self.body[at : at + 4], "big")
            if tx_id in wanted:
                kept.append((tx_id, self.body[at:end]))
            at = end
        return replace(self, tx_ids=tuple(tx_id for tx_id, _ in kept), body=b"".join(tx for _, tx in kept))


class EvidenceWorkload:
    """One preserved hash a transaction: pure append, no two touch one key.

    `filler` bytes lengthen each payload: in the record's name while it holds them, then as blanks before the last brace.
    `hot_percent` of the transactions name one of HOT_RECORDS hashes, which all but the first of each find preserved. Only the
    flavour `mix` asks: one request in five verifies a hash.
    """

    application = "evidence"
    actors: Mapping[str, tuple[str, ...]]

    def __init__(self, seed: int, filler: int = 0, hot_percent: int = 0, flavour: str = "chain") -> None:
        self.flavour = flavour
        self.query_share = EVIDENCE_QUERY_SHARE if flavour == "mix" else 0.0
        self.actors = {f"writer_{i}": () for i in range(EVIDENCE_ACTORS)}
        self._seed = seed.to_bytes(8, "big")
        self._name = "x" * min(filler, NAME_CHARS_MAX)
        self._blanks = b" " * (filler - len(self._name)) + b"}"
        self._hot_percent = hot_percent

    def waves(self, accounts: Mapping[str, bytes], count: int) -> Iterator[list[WorkItem]]:
        names = sorted(accounts)
        yield [WorkItem(names[i // 100 % len(names)], "preserve", self.payload(i)) for i in range(count)]

    def payload(self, index: int) -> bytes:
        # 37 has no common divisor with 100: the hot ones are spread evenly.
        hot = index * 37 % 100 < self._hot_percent
        digest = native.sm3(self._seed + (index % HOT_RECORDS if hot else HOT_RECORDS + index).to_bytes(8, "big"))
        text = orjson.dumps({"hash": digest.hex(), "algorithm": "sm3", "size": 1_048_576, "name": self._name})
        return text[:-1] + self._blanks

    def question(self, item: WorkItem) -> Question:
        named = {"hash": orjson.loads(item.payload)["hash"]}
        return Question("verify", orjson.dumps(named), {"found": True})

    def violations(self, view: object) -> list[str]:
        return []


def workload(
    application: str, flavour: str, seed: int, payload_bytes: int | None = None, hot_percent: int = 0
) -> Workload:
    """The workload of an application, deterministic in `seed`. `payload_bytes` sets the payload's length and
    `hot_percent` the share on few keys where the application allows it.

    Raises ConfigError: 4009 for a plugin that is not installed, 9006 for one without a workload or flavour, 9001 for a
    length or share it cannot have.
    """
    if application == "evidence":
        if (flavour := flavour or EVIDENCE_FLAVOURS[0]) not in EVIDENCE_FLAVOURS:
            raise ConfigError("PREREQUISITE_MISSING", f"workload: evidence has none called {flavour!r}")
        shortest = len(EvidenceWorkload(seed).payload(0))
        filler = 0 if payload_bytes is None else payload_bytes - shortest
        if not 0 <= filler <= PAYLOAD_BYTES_MAX - shortest:
            detail = f"payload: got {payload_bytes} bytes, want {shortest} to {PAYLOAD_BYTES_MAX}"
            raise ConfigError("CONFIG_INVALID", detail)
        return EvidenceWorkload(seed, filler, hot_percent, flavour)
    if hot_percent or payload_bytes is not None:
        raise ConfigError("CONFIG_INVALID", f"payload, hot keys: {application} sets its own, only evidence can be told")
    return Host.load([application]).workload(application, seed, flavour)


def queries_per_tx(load: Workload) -> float:
    """From the share of queries among all requests."""
    share = load.query_share if isinstance(load, AskingWorkload) else 0.0
    return share / (1 - share)


def flavour_of(load: Workload, asked_for: str) -> str:
    """The workload's own name of what it sends."""
    return load.flavour if isinstance(load, AskingWorkload) else asked_for or "default"


@dataclass(slots=True)
class Signing:
    """Signs the items of several pipelines. One pipeline is one workload of its own seed; its waves wait for each
    other, the pipelines' waves
    are sent in turn, so that a wave's wait is over long before it is due."""

    keys: Mapping[str, native.SecretKey]
    chain_id: bytes
    application: str
    next_group: int = field(default=0)
    next_number: int = field(default=0)

    def bundles(
        self,
        pipelines: Sequence[Workload],
        count: int,
        batch: int,
        valid_until_height: int,
        on_signed: Callable[[int], None],
    ) -> list[Bundle]:
        """About `count` transactions in requests of at most `batch`."""
        accounts = {name: key.account() for name, key in self.keys.items()}
        share = max(1, count // len(pipelines))
        waves = [
            list(pipeline.waves({name: accounts[name] for name in pipeline.actors}, share)) for pipeline in pipelines
        ]
        last_group = [-1] * len(pipelines)
        bundles: list[Bundle] = []
        for depth in range(max(map(len, waves))):
            for index, own in enumerate(waves):
                if depth < len(own) and own[depth]:
                    group, self.next_group = self.next_group, self.next_group + 1
                    signed = self._sign(own[depth], valid_until_height, on_signed)
                    sample = _sampler(pipelines[index], own[depth])
                    bundles += self._pack(signed, batch, group, last_group[index], sample, is_step=len(own) > 1)
                    last_group[index] = group
        return bundles

    def _sign(
        self, items: Sequence[WorkItem], valid_until_height: int, on_signed: Callable[[int], None]
    ) -> list[tuple[bytes, bytes]]:
        """(tx id, signed transaction) in the order of the items; one native call for each actor, action and chunk."""
        places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for place, item in enumerate(items):
            places[item.actor, item.action].append(place)
        signed: list[tuple[bytes, bytes]] = [(b"", b"")] * len(items)
        for (actor, action), mine in places.items():
            for chunk in _chunks(mine, SIGN_CHUNK):
                payloads = [items[place].payload for place in chunk]
                nonce = int.from_bytes(os.urandom(7), "big")
                made = native.build_txs(
                    self.keys[actor], self.chain_id, nonce, valid_until_height, self.application, action, payloads
                )
                for place, tx in zip(chunk, made, strict=True):
                    signed[place] = tx
                on_signed(len(chunk))
        return signed

    def _pack(
        self,
        signed: Sequence[tuple[bytes, bytes]],
        batch: int,
        group: int,
        after: int,
        sample: Sampler,
        *,
        is_step: bool,
    ) -> Iterator[Bundle]:
        for start in range(0, len(signed), batch):
            part = signed[start : start + batch]
            number, self.next_number = self.next_number, self.next_number + 1
            ids = tuple(tx_id for tx_id, _ in part)
            body, questions = frames(tx for _, tx in part), sample(start, start + len(part))
            yield Bundle(body, ids, group, after, number, questions, is_step)


def _sampler(load: Workload, items: Sequence[WorkItem]) -> Sampler:
    """Gives some questions of the items from one place to another, evenly spread."""

    def sample(start: int, end: int) -> tuple[Question, ...]:
        if not isinstance(load, AskingWorkload) or not load.query_share:
            return ()
        step = max(1, (end - start) // QUESTIONS_PER_BUNDLE)
        asked = (load.question(items[place]) for place in range(start, end, step))
        return tuple(question for question in asked if question is not None)

    return sample


def frames(txs: Iterable[bytes]) -> bytes:
    """Body of `POST /v1/txs:batch`: `u32 length || signed transaction` repeated."""
    return b"".join(part for tx in txs for part in (len(tx).to_bytes(4, "big"), tx))


def _chunks(places: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (places[i : i + size] for i in range(0, len(places), size))
