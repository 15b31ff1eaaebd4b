"""SM4 of GB/T 32907-2016 and its modes; the S-box comes from its algebraic definition."""

from __future__ import annotations

from typing import Any

from sm3 import rotate, seed


def field_multiply(a: int, b: int) -> int:
    """Product modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1."""
    product = 0
    for bit in range(8):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(14, 7, -1):
        if product >> bit & 1:
            product ^= 0x1F5 << (bit - 8)
    return product


def affine(x: int) -> int:
    """A·x + c with A circulant."""
    out = 0xD3
    for row in range(8):
        mask = ((0xA7 << row) | (0xA7 >> (8 - row))) & 0xFF
        out ^= ((mask & x).bit_count() & 1) << row
    return out


def make_sbox() -> list[int]:
    """All 256 values."""
    inverse = [0] * 256
    for a in range(1, 256):
        inverse[a] = next(b for b in range(1, 256) if field_multiply(a, b) == 1)
    return [affine(inverse[affine(x)]) for x in range(256)]


SBOX = make_sbox()


def substitute(word: int) -> int:
    """S-box on each byte."""
    return int.from_bytes(bytes(SBOX[byte] for byte in word.to_bytes(4, "big")), "big")


def sm4_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block."""
    fk = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)
    k = [int.from_bytes(key[4 * i : 4 * i + 4], "big") ^ fk[i] for i in range(4)]
    x = [int.from_bytes(block[4 * i : 4 * i + 4], "big") for i in range(4)]
    for i in range(32):
        ck = int.from_bytes(bytes((4 * i + j) * 7 % 256 for j in range(4)), "big")
        b = substitute(k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ ck)
        k.append(k[i] ^ b ^ rotate(b, 13) ^ rotate(b, 23))
        b = substitute(x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ k[i + 4])
        x.append(x[i] ^ b ^ rotate(b, 2) ^ rotate(b, 10) ^ rotate(b, 18) ^ rotate(b, 24))
    return b"".join(word.to_bytes(4, "big") for word in x[:-5:-1])


def exclusive_or(a: bytes, b: bytes) -> bytes:
    """a XOR b as far as a reaches."""
    return bytes(x ^ y for x, y in zip(a, b, strict=False))


def sm4_ctr(key: bytes, counter: int, data: bytes) -> bytes:
    """Counter mode; a 128-bit counter."""
    stream = b""
    while len(stream) < len(data):
        stream += sm4_block(key, counter.to_bytes(16, "big"))
        counter = (counter + 1) % (1 << 128)
    return exclusive_or(data, stream)


def sm4_cbc(key: bytes, iv: bytes, plain: bytes) -> bytes:
    """Cipher block chaining with PKCS#7 padding."""
    count = 16 - len(plain) % 16
    plain += bytes([count]) * count
    out = b""
    for start in range(0, len(plain), 16):
        iv = sm4_block(key, exclusive_or(plain[start : start + 16], iv))
        out += iv
    return out


def ghash(key: bytes, data: bytes) -> bytes:
    """GHASH of whole blocks, bit by bit."""
    h, y = int.from_bytes(key, "big"), 0
    for start in range(0, len(data), 16):
        y ^= int.from_bytes(data[start : start + 16], "big")
        product, v = 0, h
        for bit in range(127, -1, -1):
            if y >> bit & 1:
                product ^= v
            v = (v >> 1) ^ (0xE1 << 120 if v & 1 else 0)
        y = product
    return y.to_bytes(16, "big")


def sm4_gcm(key: bytes, nonce: bytes, aad: bytes, plain: bytes) -> bytes:
    """Cipher text || tag."""
    first = int.from_bytes(nonce + b"\x00\x00\x00\x01", "big")
    cipher = sm4_ctr(key, first + 1, plain)
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(cipher)).to_bytes(8, "big")
    padded = aad + bytes(-len(aad) % 16) + cipher + bytes(-len(cipher) % 16) + lengths
    mask = sm4_block(key, first.to_bytes(16, "big"))
    return cipher + exclusive_or(ghash(sm4_block(key, bytes(16)), padded), mask)


def sm4_file() -> dict[str, Any]:
    """Content of sm4.json."""
    data = b"".join(seed("sm4", i) for i in range(40))
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    keys = [key, *(seed("sm4 key", i)[:16] for i in range(3))]
    rfc_plain = bytes.fromhex("".join(digit * 16 for digit in "abcdefea"))
    gcm = [
        (key, bytes.fromhex("00001234567800000000abcd"), bytes.fromhex("feedfacedeadbeef" * 2 + "abaddad2"), rfc_plain)
    ]
    for length in (0, 1, 15, 16, 17, 64, 991, 992, 993, 1024, 1100):
        gcm.append((keys[length % 4], seed("nonce", length)[:12], data[: length % 45], data[:length]))
    return {
        "block": [
            {"key": k.hex(), "plain": b.hex(), "cipher": sm4_block(k, b).hex()} for k in keys for b in (key, data[:16])
        ],
        "ctr": [
            {
                "key": key.hex(),
                "counter": c.hex(),
                "plain": data[:m].hex(),
                "cipher": sm4_ctr(key, int.from_bytes(c, "big"), data[:m]).hex(),
            }
            for c, m in ((data[:16], 100), (b"\xff" * 16, 40), (bytes(16), 1100))
        ],
        "cbc": [
            {
                "key": k.hex(),
                "iv": data[7:23].hex(),
                "plain": data[:m].hex(),
                "cipher": sm4_cbc(k, data[7:23], data[:m]).hex(),
            }
            for k, m in zip(keys * 2, (0, 1, 15, 16, 17, 100, 138, 300), strict=True)
        ],
        "gcm": [
            {
                "key": k.hex(),
                "nonce": nonce.hex(),
                "aad": aad.hex(),
                "plain": plain.hex(),
                "sealed": sm4_gcm(k, nonce, aad, plain).hex(),
            }
            for k, nonce, aad, plain in gcm
        ],
    }
