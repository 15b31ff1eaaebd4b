"""Accounts of a local network: one for each role that its applications know, so that every action can be tried."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hnnode_native import SecretKey

from hnnode.execution.host import Host

ORGANISATIONS: Mapping[str, str] = {
    "admin": "省行政审批政务信息管理局",
    "writer": "郑州市公证处",
    "importer": "河南冷链进口有限公司",
    "first_station": "郑州首站集中监管仓",
    "warehouse": "万邦冷链物流园",
    "carrier": "中原冷链运输有限公司",
    "retailer": "郑州生鲜超市",
    "regulator": "郑州市市场监管局",
}


@dataclass(frozen=True, slots=True)
class Person:
    """A demo account before it stands in a genesis."""

    name: str
    key: SecretKey
    organisation: str
    roles: tuple[str, ...]


def person(name: str, roles: Sequence[str]) -> Person:
    """A fresh key for `name`."""
    return Person(name, SecretKey.generate(os.urandom(32)), ORGANISATIONS.get(name, name), tuple(sorted(roles)))


def one_for_each_role(applications: Sequence[str]) -> list[Person]:
    """`admin`, `writer` (no role), and one account named after each role of the applications' actions."""
    roles = {role for action in Host.load(applications).node_applications().actions() for role in action.roles}
    return [person("writer", ()), *(person(role, [role]) for role in sorted(roles | {"admin"}))]
