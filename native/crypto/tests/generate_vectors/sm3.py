"""SM3 of GB/T 32905-2016, HMAC and PBKDF2 over it, in plain integers."""

from __future__ import annotations

from typing import Any

WORD = 0xFFFFFFFF


def rotate(x: int, count: int) -> int:
    """Rotate a 32-bit word left."""
    count %= 32
    return ((x << count) | (x >> (32 - count))) & WORD


def sm3(data: bytes) -> bytes:
    """Digest of a message."""
    state = [
        0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600,
        0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E,
    ]  # fmt: skip
    padded = data + b"\x80" + bytes(-(len(data) + 9) % 64) + (8 * len(data)).to_bytes(8, "big")
    for start in range(0, len(padded), 64):
        state = compress(state, padded[start : start + 64])
    return b"".join(word.to_bytes(4, "big") for word in state)


def compress(state: list[int], block: bytes) -> list[int]:
    """One compression."""
    w = [int.from_bytes(block[4 * j : 4 * j + 4], "big") for j in range(16)]
    for j in range(16, 68):
        x = w[j - 16] ^ w[j - 9] ^ rotate(w[j - 3], 15)
        w.append(x ^ rotate(x, 15) ^ rotate(x, 23) ^ rotate(w[j - 13], 7) ^ w[j - 6])
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        constant = 0x79CC4519 if j < 16 else 0x7A879D8A
        ss1 = rotate((rotate(a, 12) + e + rotate(constant, j)) & WORD, 7)
        ss2 = ss1 ^ rotate(a, 12)
        ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
        gg = e ^ f ^ g if j < 16 else (e & f) | (~e & g & WORD)
        tt1 = (ff + d + ss2 + (w[j] ^ w[j + 4])) & WORD
        tt2 = (gg + h + ss1 + w[j]) & WORD
        a, b, c, d = tt1, a, rotate(b, 9), c
        e, f, g, h = tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17), e, rotate(f, 19), g
    return [old ^ new for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """HMAC of RFC 2104 over SM3."""
    if len(key) > 64:
        key = sm3(key)
    key = key.ljust(64, b"\0")
    inner = sm3(bytes(byte ^ 0x36 for byte in key) + data)
    return sm3(bytes(byte ^ 0x5C for byte in key) + inner)


def pbkdf2_hmac_sm3(passphrase: bytes, salt: bytes, rounds: int, length: int) -> bytes:
    """PBKDF2 of RFC 8018 over HMAC-SM3."""
    out = b""
    for index in range(1, -(-length // 32) + 1):
        u = hmac_sm3(passphrase, salt + index.to_bytes(4, "big"))
        total = int.from_bytes(u, "big")
        for _ in range(rounds - 1):
            u = hmac_sm3(passphrase, u)
            total ^= int.from_bytes(u, "big")
        out += total.to_bytes(32, "big")
    return out[:length]


def seed(label: str, index: int = 0) -> bytes:
    """32 bytes that differ for each label and index."""
    return sm3(label.encode() + index.to_bytes(8, "big"))


def sm3_file() -> dict[str, Any]:
    """Content of sm3.json."""
    data = b"".join(seed("sm3", i) for i in range(40))
    lengths = (0, 1, 3, 31, 32, 33, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 300, 1000)
    messages = [b"abc", b"abcd" * 16, *(data[:length] for length in lengths)]
    return {
        "hash": [{"message": m.hex(), "digest": sm3(m).hex()} for m in messages],
        "tagged": [
            {"tag": tag, "message": m.hex(), "digest": sm3(tag.encode().ljust(64, b"\0") + m).hex()}
            for tag in ("hn/account/v1", "x", "t" * 64)
            for m in (b"", data[:64], data[:100])
        ],
        "hmac": [
            {"key": data[:k].hex(), "message": data[:m].hex(), "tag": hmac_sm3(data[:k], data[:m]).hex()}
            for k, m in ((0, 0), (1, 3), (32, 64), (63, 65), (64, 55), (65, 56), (200, 300))
        ],
        "pbkdf2": [
            {
                "pass": secret.hex(),
                "salt": data[:salt].hex(),
                "rounds": rounds,
                "key": pbkdf2_hmac_sm3(secret, data[:salt], rounds, length).hex(),
            }
            for secret, salt, rounds, length in ((b"secret", 16, 1, 16), (b"", 8, 2, 32), (b"p" * 80, 16, 100, 70))
        ],
    }
