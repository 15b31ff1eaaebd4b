"""SM2, SM3 and SM4 without hnnode: gmssl's pure Python, hashlib where OpenSSL brings SM3, and plain integers.

gmssl is used through its primitives, because its public calls have traps: a public key whose x begins with hex `0` or `4` loses digits
in the constructor, `_kg(0, P)` is P, `verify` neither checks the range of r and s nor normalises the sum of two equal points. About
10 ms a point multiplication.
"""

from __future__ import annotations

import functools
import hashlib

from gmssl import sm2 as gm2
from gmssl import sm3 as gm3
from gmssl import sm4 as gm4

CURVE = gm2.CryptSM2(private_key="", public_key="")
P, N, A, B = (int(gm2.default_ecc_table[name], 16) for name in ("p", "n", "a", "b"))
G: str = gm2.default_ecc_table["g"].lower()
ID = b"1234567812345678"
HASHLIB_SM3 = "sm3" in hashlib.algorithms_available


def gmssl_sm3(data: bytes) -> bytes:
    """SM3 in Python, about 0.5 ms a kilobyte."""
    return bytes.fromhex(gm3.sm3_hash(list(data)))


def sm3(data: bytes) -> bytes:
    """SM3 of OpenSSL when Python's OpenSSL has it, otherwise of gmssl."""
    return hashlib.new("sm3", data).digest() if HASHLIB_SM3 else gmssl_sm3(data)


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """RFC 2104 over SM3."""
    block = (sm3(key) if len(key) > 64 else key).ljust(64, b"\0")
    return sm3(bytes(b ^ 0x5C for b in block) + sm3(bytes(b ^ 0x36 for b in block) + data))


def pbkdf2(password: bytes, salt: bytes, rounds: int, length: int) -> bytes:
    """RFC 8018 over HMAC-SM3, for few rounds."""
    out = b""
    for number in range(1, -(-length // 32) + 1):
        link = hmac_sm3(password, salt + number.to_bytes(4, "big"))
        total = int.from_bytes(link, "big")
        for _ in range(rounds - 1):
            link = hmac_sm3(password, link)
            total ^= int.from_bytes(link, "big")
        out += total.to_bytes(32, "big")
    return out[:length]


# ---------------------------------------------------------------- SM2


def is_point(key: bytes) -> bool:
    """Whether these bytes are `04 || x || y`, a point of the curve."""
    if len(key) != 65 or key[0] != 4:
        return False
    x, y = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    return x < P and y < P and (y * y - x * x * x - A * x - B) % P == 0


def multiply(scalar: int, point: str) -> str | None:
    """`scalar * point` as 128 hex digits; None is infinity."""
    scalar %= N
    result: str | None = CURVE._kg(scalar, point) if scalar else None
    return result


def add(left: str | None, right: str | None) -> str | None:
    """Sum of two affine points; None is infinity."""
    if left is None or right is None:
        return right if left is None else left
    total = CURVE._double_point(left) if left == right else CURVE._add_point(left, right)
    result: str | None = CURVE._convert_jacb_to_nor(total)
    return result


def public_key(secret: int) -> bytes:
    """Public key of a secret scalar."""
    point = multiply(secret, G)
    assert point is not None
    return b"\x04" + bytes.fromhex(point)


@functools.cache
def za(key: bytes, identifier: bytes = ID) -> bytes:
    """ZA of GB/T 32918.2, 5.5."""
    entl = (8 * len(identifier)).to_bytes(2, "big")
    return sm3(entl + identifier + A.to_bytes(32, "big") + B.to_bytes(32, "big") + bytes.fromhex(G) + key[1:])


def message_digest(key: bytes, message: bytes) -> bytes:
    """e = SM3(ZA || message)."""
    return sm3(za(key) + message)


def nonce(secret: int, e: bytes) -> int:
    """First nonce of RFC 6979, 3.2 with HMAC-SM3 (a second is never needed by the vectors)."""
    seed = secret.to_bytes(32, "big") + (int.from_bytes(e, "big") % N).to_bytes(32, "big")
    key, value = bytes(32), b"\1" * 32
    for step in (b"\0", b"\1"):
        key = hmac_sm3(key, value + step + seed)
        value = hmac_sm3(key, value)
    value = hmac_sm3(key, value)
    k = int.from_bytes(value, "big")
    assert 0 < k < N
    return k


def sign_digest(secret: int, e: bytes, k: int) -> bytes:
    """Signature r || s of a digest with a given nonce, computed by gmssl."""
    signer = gm2.CryptSM2(private_key=f"{secret:064x}", public_key="")
    text = signer.sign(e, f"{k:064x}")
    assert text is not None
    return bytes.fromhex(text)


@functools.lru_cache(4096)
def verify_digest(key: bytes, e: bytes, signature: bytes) -> str:
    """Verdict as the vectors name it: `Valid`, `BadSignature` or `OutOfRange`."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N):
        return "OutOfRange"
    if (r + s) % N == 0:
        return "BadSignature"
    point = add(multiply(s, G), multiply(r + s, key[1:].hex()))
    if point is None:
        return "BadSignature"
    return "Valid" if (int.from_bytes(e, "big") + int(point[:64], 16) - r) % N == 0 else "BadSignature"


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature of the message holds under the default identifier."""
    return verify_digest(key, message_digest(key, message), signature) == "Valid"


# ---------------------------------------------------------------- SM4


def sm4_block(key: bytes, block: bytes) -> bytes:
    """One block enciphered by gmssl."""
    cipher = gm4.CryptSM4()
    cipher.set_key(key, gm4.SM4_ENCRYPT)
    return bytes(cipher.one_round(cipher.sk, list(block)))


def sm4_ctr(key: bytes, counter: int, data: bytes, wrap_bits: int = 128) -> bytes:
    """Counter mode; `wrap_bits` low bits count (GCM: 32)."""
    cipher = gm4.CryptSM4()
    cipher.set_key(key, gm4.SM4_ENCRYPT)
    fixed, low = counter >> wrap_bits << wrap_bits, counter % (1 << wrap_bits)
    stream = bytearray()
    for index in range(-(-len(data) // 16)):
        value = fixed | (low + index) % (1 << wrap_bits)
        stream += bytes(cipher.one_round(cipher.sk, list(value.to_bytes(16, "big"))))
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def sm4_cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    """CBC with PKCS#7 padding, by gmssl."""
    cipher = gm4.CryptSM4()
    cipher.set_key(key, gm4.SM4_ENCRYPT)
    return bytes(cipher.crypt_cbc(iv, data))


def sm4_cbc_open(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Reverse of `sm4_cbc`, by gmssl."""
    cipher = gm4.CryptSM4()
    cipher.set_key(key, gm4.SM4_DECRYPT)
    return bytes(cipher.crypt_cbc(iv, data))


def _ghash(h: int, data: bytes) -> int:
    """GHASH of NIST SP 800-38D, bit by bit."""
    y = 0
    for start in range(0, len(data), 16):
        x, v, z = y ^ int.from_bytes(data[start : start + 16], "big"), h, 0
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return y


def sm4_gcm(key: bytes, iv: bytes, aad: bytes, plain: bytes) -> bytes:
    """GCM of NIST SP 800-38D for a 96-bit nonce over gmssl's block: cipher text || tag."""
    h = int.from_bytes(sm4_block(key, bytes(16)), "big")
    first = int.from_bytes(iv + b"\0\0\0\1", "big")
    cipher = sm4_ctr(key, first + 1, plain, 32)
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(cipher)).to_bytes(8, "big")
    tag = _ghash(h, aad + bytes(-len(aad) % 16) + cipher + bytes(-len(cipher) % 16) + lengths)
    return cipher + sm4_ctr(key, first, tag.to_bytes(16, "big"), 32)
