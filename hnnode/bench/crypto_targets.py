"""What the figures of `hnnode bench crypto` are compared with: `openssl` in the same run, goals, and floors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_VERIFY, _SIGN = "openssl_sm2_verify_per_s", "openssl_sm2_sign_per_s"
_SHORT, _STREAM, _CIPHER = "openssl_sm3_64B_per_s", "openssl_sm3_stream_MBps", "openssl_sm4_ctr_MBps"

REFERENCES: Mapping[str, str] = MappingProxyType(
    {
        "sm2_verify_known_per_s": _VERIFY,
        "sm2_verify_unknown_per_s": _VERIFY,
        "sm2_verify_batch_unknown_per_s": _VERIFY,
        "sm2_verify_single_us": _VERIFY,
        "sm2_sign_per_s": _SIGN,
        "sm2_sign_single_us": _SIGN,
        "sm3_64B_per_s": _SHORT,
        "sm3_stream_MBps": _STREAM,
        "sm3_multi_MBps": _STREAM,
        "sm4_ctr_MBps": _CIPHER,
        "py_verify_batch_1000_per_s": _VERIFY,
        "py_verify_single_us": _VERIFY,
        "py_sign_batch_1000_per_s": _SIGN,
        "py_sm3_batch_1000_per_s": _SHORT,
        "py_sm3_stream_MBps": _STREAM,
    }
)
"""Fields that `openssl` has an equal of; it has none for keys, trees and (before 3.1) SM4-GCM."""


def ratios(fields: Mapping[str, float], reference: Mapping[str, float | None]) -> dict[str, float]:
    """How many times as fast as `openssl` each field is that has an equal; times count as rates."""
    found = {}
    for field, name in REFERENCES.items():
        value, beside = fields.get(field), reference.get(name)
        if value and beside:
            per_s = 1e6 / value if field.endswith("_us") else value
            found[field] = float(f"{per_s / beside:.4g}")
    return found


@dataclass(frozen=True, slots=True)
class Target:
    """A goal and what is enough: multiples of `openssl` for a field with an equal there, else in the field's own unit."""

    title: str
    field: str
    goal: float
    floor: float
    kernel: str | None = None
    """None: the kernel of the top fields."""

    @property
    def relative(self) -> bool:
        return self.field in REFERENCES

    def _value(self, result: Mapping[str, Any]) -> float | None:
        source = result["kernels"].get(self.kernel, {}) if self.kernel else result
        value: float | None = source.get(self.field)
        return value

    def measured(self, result: Mapping[str, Any]) -> float | None:
        """None when it was not asked for, or when there is no `openssl` to compare it with."""
        value = self._value(result)
        if value is None or not self.relative:
            return value
        return ratios({self.field: value}, result).get(self.field)

    def reached(self, result: Mapping[str, Any]) -> str | None:
        """`goal`, `floor` or `below`; None when nothing can be said."""
        value = self.measured(result)
        if value is None:
            return None
        rising = self.goal > self.floor
        for limit, text in ((self.goal, "goal"), (self.floor, "floor")):
            if value >= limit if rising else value <= limit:
                return text
        return "below"

    def missed(self, result: Mapping[str, Any]) -> bool:
        """Whether it was measured and did not reach the floor, or could not be compared."""
        return self._value(result) is not None and self.reached(result) in (None, "below")

    def row(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """As the JSON result has it."""
        return {
            "title": self.title,
            "field": self.field,
            "kernel": self.kernel or result["kernel"],
            "times": REFERENCES.get(self.field),
            "measured": self.measured(result),
            "goal": self.goal,
            "floor": self.floor,
            "reached": self.reached(result),
        }


TARGETS = (
    Target("SM2 verify, registered key", "sm2_verify_known_per_s", 240, 120),
    Target("SM2 verify, unknown key", "sm2_verify_unknown_per_s", 40, 20),
    Target("SM2 verify, 8,192 unknown keys", "sm2_verify_batch_unknown_per_s", 150, 60),
    Target("SM2 sign", "sm2_sign_per_s", 65, 40),
    Target("SM2 verify, registered key, scalar", "sm2_verify_known_per_s", 40, 20, "scalar"),
    Target("SM3 of 64 bytes, many", "sm3_64B_per_s", 16, 12),
    Target("SM3, many long streams", "sm3_multi_MBps", 10, 7),
    Target("SM3, one stream", "sm3_stream_MBps", 1.3, 1),
    Target("Merkle root of 2^20 leaves, ms", "merkle_1M_leaves_ms", 40, 80),
    Target("state tree, keys/s", "state_tree_updates_per_s", 500_000, 200_000),
    Target("SM4-GCM, MB/s", "sm4_gcm_MBps", 2500, 1000),
)


def missed(result: Mapping[str, Any]) -> list[Target]:
    """Targets below their floors, and those that were measured without anything to compare them with."""
    return [target for target in TARGETS if target.missed(result)]
