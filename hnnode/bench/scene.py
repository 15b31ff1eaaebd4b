"""The networks that a scenario asks for, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

import hnnode_native as native

from hnnode.bench.load import Progress
from hnnode.bench.localnet import LocalNet


class Part(StrEnum):
    """What a network is for; each part of a scenario has a new one. Only that of `knee` is never kept."""

    knee = "knee"
    measured = "measured"
    overload = "overload"


@dataclass(frozen=True, slots=True)
class Scene:
    """A running network with the keys of its workload. `deploy_s`: what it took until it ran."""

    net: LocalNet
    keys: Mapping[str, native.SecretKey]
    progress: Progress
    deploy_s: Mapping[str, float]


OpenScene = Callable[[Part | None], AbstractContextManager[Scene]]
"""Starts a new network, for None the only one. Leaving it stops every process and removes its files, unless they are to be kept: the
next one finds ports and disk as this one did."""
