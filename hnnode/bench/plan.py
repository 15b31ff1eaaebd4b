"""What a chain scenario is to run, and the signed transactions for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import hnnode_native as native

from hnnode.bench.load import LoadRunner
from hnnode.bench.workload import PIPELINES, Bundle, Signing, flavour_of, queries_per_tx, workload
from hnnode.plugin_api.workload import AskingWorkload, Question, Workload

VALID_BLOCKS = 500_000
PROBE_SEED = 1_000_000
PRELOAD_SEED = 2_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """`flavour` empty: the application's own. `rate` None: look for the knee first and take it; `probe`: look for it all the
    same. `delay_ms` is one way, between validators. `cores` 0: all."""

    application: str
    flavour: str
    seconds: int
    rate: int | None
    batch: int
    payload_bytes: int | None
    seed: int
    hot_percent: int = 0
    preload: int = 0
    gateways: int = 0
    delay_ms: int = 0
    cores: int = 0
    isolated: bool = False
    budget: bool = False
    runs: int = 1
    idle_s: int = 0
    overload: tuple[int, ...] = ()
    overload_s: int = 60
    probe: bool = False

    @property
    def looks_for_knee(self) -> bool:
        return self.rate is None or self.probe

    def workload(self, seed: int) -> Workload:
        return workload(self.application, self.flavour, seed, self.payload_bytes, self.hot_percent)


@dataclass(slots=True)
class Signer:
    """Signs what the parts of a scenario send; no two parts ever send the same transaction."""

    runner: LoadRunner
    keys: Mapping[str, native.SecretKey]
    plan: Plan
    signing: Signing = field(init=False)
    flavour: str = field(init=False)
    queries_per_tx: float = field(init=False)
    has_steps: bool = field(init=False)
    """Whether things of the load go through several steps, known once something was signed."""
    _parts: int = field(default=0)

    def __post_init__(self) -> None:
        chain_id = bytes.fromhex(self.runner.net.status(0)["chain_id"])
        self.signing = Signing(self.keys, chain_id, self.plan.application)
        load = self.plan.workload(self.plan.seed)
        self.has_steps = False
        self.flavour, self.queries_per_tx = flavour_of(load, self.plan.flavour), queries_per_tx(load)

    @property
    def first_question(self) -> Question | None:
        """Some question of the load; nothing it asks for has to be there. None for a load that never asks."""
        load = self.plan.workload(self.plan.seed)
        if not isinstance(load, AskingWorkload) or not load.query_percent:
            return None
        accounts = {name: key.account() for name, key in self.keys.items()}
        asked = (load.question(item) for wave in load.waves(accounts, 1) for item in wave)
        return next((question for question in asked if question is not None), None)

    def sign(self, count: int, base_seed: int = 0) -> list[Bundle]:
        """About `count` transactions, of a seed of their own."""
        seed = self.plan.seed + base_seed + self._parts * PIPELINES
        self._parts += 1
        done = 0

        def on_signed(more: int) -> None:
            nonlocal done
            done += more
            self.runner.progress("sign", done, max(done, count))

        height = int(self.runner.net.status(0)["height"])
        pipelines = [self.plan.workload(seed + i) for i in range(PIPELINES)]
        bundles = self.signing.bundles(pipelines, count, self.plan.batch, height + VALID_BLOCKS, on_signed)
        self.has_steps = any(bundle.is_step for bundle in bundles)
        return bundles
