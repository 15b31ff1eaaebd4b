"""Thousands of random SM2 and SM3 cases between the compiled core, OpenSSL's library and gmssl, both ways.

`HN_INTEROP_CASES` is the number of cases each way for all of them. Without it OpenSSL gets 10,000 and gmssl, which takes 10 ms a
verification, 200; `make test-slow` gives both 10,000. `HN_VECTOR_SEED` chooses the cases.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import NamedTuple

import hnnode_native as native
import pytest

from tests.vectors import libcrypto, sm_twin
from tests.vectors.openssl_command import children, undo, unpem

SEED = int(os.environ.get("HN_VECTOR_SEED", "32918"))
ASKED = os.environ.get("HN_INTEROP_CASES")
OPENSSL_CASES = int(ASKED or 10_000)
GMSSL_CASES = int(ASKED or 200)
CALL = 1_000
MESSAGE_BYTES_MAX = 300
VALID = 0
pytestmark = pytest.mark.timeout(180 + GMSSL_CASES // 5)
OPENSSL = pytest.mark.skipif(
    libcrypto.library() is None, reason="no libcrypto 3.0 or later with SM2 for ctypes to load"
)


class Case(NamedTuple):
    secret: native.SecretKey
    der: bytes
    message: bytes

    @property
    def public(self) -> bytes:
        return self.secret.public_key()

    @property
    def scalar(self) -> int:
        """The secret number inside the PKCS#8 bytes."""
        _, info, _ = undo(self.der)
        _, inner, _ = undo(children(info)[2][1])
        return int.from_bytes(children(inner)[1][1], "big")


def cases(name: str, count: int) -> Iterator[list[Case]]:
    """Random keys and messages of 1 to 300 bytes, in parts for one call of the core; a new key for every case."""
    print(f"HN_VECTOR_SEED={SEED}")
    rng = random.Random(f"{SEED} {name}")
    for start in range(0, count, CALL):
        part = []
        for _ in range(min(CALL, count - start)):
            secret = native.SecretKey.generate(rng.randbytes(32))
            message = rng.randbytes(rng.randrange(1, MESSAGE_BYTES_MAX))
            part.append(Case(secret, unpem("PRIVATE KEY", secret.to_pem()), message))
        yield part


def altered(rng: random.Random, case: Case, signature: bytes) -> tuple[bytes, bytes]:
    """Message and signature with one bit changed in one of them."""
    text = bytearray(case.message + signature)
    text[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
    return bytes(text[:-64]), bytes(text[-64:])


def statuses(part: list[Case], messages: list[bytes], signatures: list[bytes]) -> bytes:
    """Verdicts of the core: on the lanes, and every sixteenth by the single call as well."""
    found = native.verify_batch([case.public for case in part], messages, signatures)
    for at in range(0, len(part), 16):
        assert native.verify(part[at].public, messages[at], signatures[at]) == (found[at] == VALID), (SEED, at)
    return found


@OPENSSL
def test_openssl_verifies_what_the_core_signs() -> None:
    rng = random.Random(f"{SEED} bits")
    for part in cases("core to openssl", OPENSSL_CASES):
        for at, case in enumerate(part):
            signature = case.secret.sign(case.message)
            with libcrypto.Key.public(case.public) as theirs:
                assert theirs.verify(case.message, signature), (SEED, at)
                if at % 8 == 0:
                    message, other = altered(rng, case, signature)
                    assert not theirs.verify(message, other), (SEED, at)
                    assert not native.verify(case.public, message, other), (SEED, at)


@OPENSSL
def test_the_core_verifies_what_openssl_signs() -> None:
    rng = random.Random(f"{SEED} bits")
    for part in cases("openssl to core", OPENSSL_CASES):
        signatures = []
        for case in part:
            with libcrypto.Key.secret(case.der) as theirs:
                signatures.append(theirs.sign(case.message))
        assert statuses(part, [case.message for case in part], signatures) == bytes(len(part)), SEED
        wrong = [altered(rng, case, signature) for case, signature in zip(part, signatures, strict=True)]
        assert VALID not in statuses(part, [message for message, _ in wrong], [other for _, other in wrong]), SEED


def test_gmssl_verifies_what_the_core_signs() -> None:
    rng = random.Random(f"{SEED} bits")
    for part in cases("core to gmssl", GMSSL_CASES):
        for at, case in enumerate(part):
            signature = case.secret.sign(case.message)
            assert sm_twin.verify(case.public, case.message, signature), (SEED, at)
            if at % 8 == 0:
                message, other = altered(rng, case, signature)
                assert not sm_twin.verify(case.public, message, other), (SEED, at)


def test_the_core_verifies_what_gmssl_signs() -> None:
    rng = random.Random(f"{SEED} bits")
    for part in cases("gmssl to core", GMSSL_CASES):
        digests = [sm_twin.message_digest(case.public, case.message) for case in part]
        signatures = [
            sm_twin.sign_digest(case.scalar, e, rng.randrange(1, sm_twin.N))
            for case, e in zip(part, digests, strict=True)
        ]
        assert statuses(part, [case.message for case in part], signatures) == bytes(len(part)), SEED
        wrong = [altered(rng, case, signature) for case, signature in zip(part, signatures, strict=True)]
        assert VALID not in statuses(part, [message for message, _ in wrong], [other for _, other in wrong]), SEED


def random_texts(count: int) -> list[bytes]:
    rng = random.Random(f"{SEED} texts")
    sizes = [rng.randrange(200) if at % 10 else rng.randrange(20_000) for at in range(count)]
    return [rng.randbytes(size) for size in sizes]


def core_digests(texts: list[bytes]) -> list[bytes]:
    """Alone, and in lanes of messages of mixed lengths; both must say the same."""
    together = [digest for at in range(0, len(texts), CALL) for digest in native.sm3_batch(texts[at : at + CALL])]
    assert together == [native.sm3(text) for text in texts], SEED
    return together


@OPENSSL
def test_hashes_of_random_lengths_by_openssl() -> None:
    texts = random_texts(OPENSSL_CASES)
    assert core_digests(texts) == [libcrypto.sm3(text) for text in texts], SEED


def test_hashes_of_random_lengths_by_gmssl() -> None:
    texts = [text[:200] for text in random_texts(GMSSL_CASES)]
    assert core_digests(texts) == [sm_twin.gmssl_sm3(text) for text in texts], SEED
