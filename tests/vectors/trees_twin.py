"""Tagged hash, byte reader, block tree and state tree, written from `docs/reference/formats.md` alone (§1, §4, §5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.vectors.sm_twin import sm3

ZERO = bytes(32)
NAME = re.compile("[a-z][a-z0-9_]*")


class FormatError(ValueError):
    """These bytes are not an encoding of the page, or do not prove what they say."""


def require(holds: bool, reason: str) -> None:
    if not holds:
        raise FormatError(reason)


def tagged(tag: str, data: bytes) -> bytes:
    """H(tag, data)."""
    return sm3(tag.encode().ljust(64, b"\0") + data)


def account_of(key: bytes) -> bytes:
    return tagged("hn/account/v1", key)[:20]


def u(size: int, value: int) -> bytes:
    """Unsigned integer of `size` bytes; OverflowError when it does not fit."""
    return value.to_bytes(size, "big")


def sized(size: int, data: bytes) -> bytes:
    """Length of `size` bytes, then the data: name8, text8, text16, bytes32."""
    return u(size, len(data)) + data


def text(size: int, value: str) -> bytes:
    return sized(size, value.encode())


class Reader:
    """Takes fields from the front of a byte string."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        require(count <= len(self.data) - self.position, "truncated")
        self.position += count
        return self.data[self.position - count : self.position]

    def u(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self, size: int, limit: int | None = None) -> bytes:
        count = self.u(size)
        require(limit is None or count <= limit, "a length over its limit")
        return self.take(count)

    def text(self, size: int) -> str:
        try:
            return self.sized(size).decode()
        except UnicodeDecodeError as error:
            raise FormatError("not UTF-8") from error

    def name(self) -> str:
        value = self.text(1)
        require(1 <= len(value) <= 32 and NAME.fullmatch(value) is not None, "a name outside its alphabet")
        return value

    def version(self) -> None:
        require(self.u(1) == 1, "version")

    def flag(self) -> bool:
        value = self.u(1)
        require(value <= 1, "neither 0 nor 1")
        return value == 1

    def end(self) -> None:
        require(self.position == len(self.data), "trailing bytes")


# ---------------------------------------------------------------- block tree


def _leaves(items: Sequence[bytes]) -> list[bytes]:
    return [tagged("hn/leaf/v1", item) for item in items]


def _pair(left: bytes, right: bytes) -> bytes:
    return tagged("hn/node/v1", left + right)


def _level_above(level: list[bytes]) -> list[bytes]:
    pairs = [_pair(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return pairs + level[len(level) & ~1 :]


def block_root(items: Sequence[bytes]) -> bytes:
    level = _leaves(items) or [ZERO]
    while len(level) > 1:
        level = _level_above(level)
    return tagged("hn/root/v1", u(8, len(items)) + level[0])


@dataclass(frozen=True)
class Inclusion:
    index: int
    count: int
    siblings: tuple[bytes, ...]

    def encode(self) -> bytes:
        return u(8, self.index) + u(8, self.count) + u(1, len(self.siblings)) + b"".join(self.siblings)

    @classmethod
    def decode(cls, data: bytes) -> Inclusion:
        reader = Reader(data)
        index, count = reader.u(8), reader.u(8)
        siblings = tuple(reader.take(32) for _ in range(reader.u(1)))
        reader.end()
        require(index < count, "index beyond the count")
        require(len(siblings) == cls._needed(index, count), "a wrong number of siblings")
        return cls(index, count, siblings)

    @staticmethod
    def _needed(index: int, count: int) -> int:
        needed = 0
        while count > 1:
            needed += (index ^ 1) < count
            index, count = index // 2, (count + 1) // 2
        return needed

    def root(self, data: bytes) -> bytes:
        """Root of the tree that holds `data` at the index."""
        index, count, rest = self.index, self.count, list(self.siblings)
        top = _leaves([data])[0]
        while count > 1:
            if index ^ 1 < count:
                sibling = rest.pop(0)
                top = _pair(sibling, top) if index & 1 else _pair(top, sibling)
            index, count = index // 2, (count + 1) // 2
        return tagged("hn/root/v1", u(8, self.count) + top)


def block_proof(items: Sequence[bytes], index: int) -> bytes:
    level, place, siblings = _leaves(items), index, []
    while len(level) > 1:
        siblings += level[place ^ 1 : (place ^ 1) + 1]
        level, place = _level_above(level), place // 2
    return Inclusion(index, len(items), tuple(siblings)).encode()


# ---------------------------------------------------------------- state tree


def state_key_hash(application: str, key: bytes) -> bytes:
    return tagged("hn/state-key/v1", text(1, application) + key)


def state_value_hash(value: bytes) -> bytes:
    return tagged("hn/state-value/v1", value)


def _bit(key_hash: bytes, depth: int) -> int:
    return key_hash[depth // 8] >> (7 - depth % 8) & 1


def _state_leaf(key_hash: bytes, value_hash: bytes) -> bytes:
    return tagged("hn/state-leaf/v1", key_hash + value_hash)


def _halves(entries: Mapping[bytes, bytes], depth: int) -> list[dict[bytes, bytes]]:
    return [{key: value for key, value in entries.items() if _bit(key, depth) == side} for side in (0, 1)]


def state_root(entries: Mapping[bytes, bytes], depth: int = 0) -> bytes:
    """Root over {key hash: value hash}, of the subtree at `depth`."""
    if not entries:
        return ZERO
    if len(entries) == 1:
        return _state_leaf(*next(iter(entries.items())))
    left, right = _halves(entries, depth)
    return tagged("hn/state-node/v1", state_root(left, depth + 1) + state_root(right, depth + 1))


@dataclass(frozen=True)
class StateProof:
    siblings: tuple[bytes, ...]
    """From the root down; ZERO where the sibling is empty."""
    terminal: int
    other: tuple[bytes, bytes] | None = None

    def encode(self) -> bytes:
        bits = sum(1 << depth for depth, sibling in enumerate(self.siblings) if sibling != ZERO)
        bitmap = bits.to_bytes((len(self.siblings) + 7) // 8, "little")
        present = b"".join(sibling for sibling in self.siblings if sibling != ZERO)
        return u(2, len(self.siblings)) + bitmap + present + u(1, self.terminal) + b"".join(self.other or ())

    @classmethod
    def decode(cls, data: bytes) -> StateProof:
        reader = Reader(data)
        depth = reader.u(2)
        require(depth <= 256, "depth over 256")
        bits = int.from_bytes(reader.take((depth + 7) // 8), "little")
        require(bits >> depth == 0, "unused bits")
        siblings = tuple(reader.take(32) if bits >> i & 1 else ZERO for i in range(depth))
        require(all(siblings[i] != ZERO for i in range(depth) if bits >> i & 1), "an empty sibling said to be present")
        terminal = reader.u(1)
        require(terminal <= 2, "terminal")
        other = (reader.take(32), reader.take(32)) if terminal == 2 else None
        reader.end()
        return cls(siblings, terminal, other)

    def holds(self, root: bytes, key_hash: bytes, value: bytes | None) -> bool:
        """Whether the tree of `root` has this value (None: no value) under the key."""
        if (value is not None) != (self.terminal == 1) or self.siblings[-1:] == (ZERO,):
            return False
        if value is not None:
            top = _state_leaf(key_hash, state_value_hash(value))
        elif self.other is not None:
            depths = range(len(self.siblings))
            if self.other[0] == key_hash or any(_bit(self.other[0], i) != _bit(key_hash, i) for i in depths):
                return False
            top = _state_leaf(*self.other)
        else:
            top = ZERO
        for depth in reversed(range(len(self.siblings))):
            pair = (self.siblings[depth], top) if _bit(key_hash, depth) else (top, self.siblings[depth])
            top = tagged("hn/state-node/v1", b"".join(pair))
        return top == root


def state_proof(entries: Mapping[bytes, bytes], key_hash: bytes) -> bytes:
    siblings: list[bytes] = []
    subtree: Mapping[bytes, bytes] = entries
    while len(subtree) > 1:
        halves = _halves(subtree, len(siblings))
        side = _bit(key_hash, len(siblings))
        subtree = halves[side]
        siblings.append(state_root(halves[1 - side], len(siblings) + 1))
    if not subtree:
        return StateProof(tuple(siblings), 0).encode()
    leaf = next(iter(subtree.items()))
    if leaf[0] == key_hash:
        return StateProof(tuple(siblings), 1).encode()
    return StateProof(tuple(siblings), 2, leaf).encode()
