"""Write tests/vectors/{sm2,sm3,sm4}.json from plain integers, as an implementation independent of the Rust crate.

Usage: python native/crypto/tests/generate_vectors.py tests/vectors
Everything here is slow, simple and deterministic; standard library only. The Rust tests recompute each file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
G = (GX, GY)
ID_DEFAULT = b"1234567812345678"

Point = tuple[int, int] | None
WORD = 0xFFFFFFFF


def rotate(x: int, count: int) -> int:
    """Rotate a 32-bit word left."""
    count %= 32
    return ((x << count) | (x >> (32 - count))) & WORD


# SM3, GB/T 32905-2016.


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


# SM2, GB/T 32918.2-2016.


def add(a: Point, b: Point) -> Point:
    """Sum of two points, None being infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] + A) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(scalar: int, point: Point) -> Point:
    """Multiple of a point."""
    total: Point = None
    for bit in bin(scalar % N)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def encode(point: Point) -> bytes:
    """Uncompressed form."""
    if point is None:
        raise ValueError("infinity has no encoding")
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def za_of(point: Point, identifier: bytes = ID_DEFAULT) -> bytes:
    """ZA of a public key and an ID."""
    head = (8 * len(identifier)).to_bytes(2, "big") + identifier
    return sm3(head + b"".join(v.to_bytes(32, "big") for v in (A, B, GX, GY)) + encode(point)[1:])


def nonces(d: int, e: bytes) -> Any:
    """Candidates for k: RFC 6979 §3.2 over HMAC-SM3, with h1 = e mod n."""
    h1 = (int.from_bytes(e, "big") % N).to_bytes(32, "big")
    secret = d.to_bytes(32, "big")
    v, key = b"\x01" * 32, b"\x00" * 32
    for step in (b"\x00", b"\x01"):
        key = hmac_sm3(key, v + step + secret + h1)
        v = hmac_sm3(key, v)
    while True:
        v = hmac_sm3(key, v)
        k = int.from_bytes(v, "big")
        if 0 < k < N:
            yield k
        key = hmac_sm3(key, v + b"\x00")
        v = hmac_sm3(key, v)


def sign(d: int, e: bytes) -> bytes:
    """Deterministic signature r || s of a digest."""
    for k in nonces(d, e):
        point = multiply(k, G)
        assert point is not None
        r = (int.from_bytes(e, "big") + point[0]) % N
        s = pow(1 + d, -1, N) * (k - r * d) % N
        if r and s and (r + k) % N:
            return join(r, s)
    raise AssertionError("the candidates do not end")


def join(r: int, s: int) -> bytes:
    """64 bytes r || s."""
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(point: Point, e: bytes, signature: bytes) -> str:
    """Name of the verdict."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N):
        return "OutOfRange"
    t = (r + s) % N
    total = add(multiply(s, G), multiply(t, point)) if t else None
    if total is None or (int.from_bytes(e, "big") + total[0] - r) % N:
        return "BadSignature"
    return "Valid"


def seed(label: str, index: int = 0) -> bytes:
    """32 bytes that differ for each label and index."""
    return sm3(label.encode() + index.to_bytes(8, "big"))


def number(label: str, index: int = 0) -> int:
    """An integer in [1, n-2]."""
    return int.from_bytes(seed(label, index), "big") % (N - 2) + 1


def sign_cases() -> list[dict[str, str]]:
    """Keys, messages, and what signing them gives."""
    secrets = [0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8, 1, 2, N - 2]
    secrets += [number("secret", i) for i in range(8)]
    cases = []
    for index, d in enumerate(secrets):
        for length in (14, 32, 87 + index):
            message = b"message digest" if length == 14 else (seed("message", index) * 5)[:length]
            point = multiply(d, G)
            e = sm3(za_of(point) + message)
            cases.append(
                {
                    "secret": d.to_bytes(32, "big").hex(),
                    "public": encode(point).hex(),
                    "message": message.hex(),
                    "za": za_of(point).hex(),
                    "e": e.hex(),
                    "signature": sign(d, e).hex(),
                }
            )
    return cases


def verify_cases() -> list[dict[str, str]]:
    """Digest-level verifications: the standard's example, ranges, and crafted exceptions."""
    cases: list[dict[str, str]] = []

    def case(name: str, point: Point, e: int, signature: bytes) -> None:
        digest = (e % (1 << 256)).to_bytes(32, "big")
        status = verify(point, digest, signature)
        cases.append(
            {
                "name": name,
                "public": encode(point).hex(),
                "e": digest.hex(),
                "signature": signature.hex(),
                "status": status,
            }
        )

    def craft(name: str, d: int, s: int, t: int) -> None:
        point, r = multiply(d, G), (t - s) % N
        total = multiply((s + t * d) % N, G)
        assert total is not None
        case(name, point, (r - total[0]) % N, join(r, s))
        case(name + ", e + 1", point, (r - total[0] + 1) % N, join(r, s))

    d = number("verify")
    point = multiply(d, G)
    e = int.from_bytes(seed("digest"), "big")
    signature = sign(d, seed("digest"))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    case("ordinary", point, e, signature)
    case(
        "example of GB/T 32918.5",
        multiply(0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8, G),
        0xF0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640,
        bytes.fromhex(
            "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
            "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
        ),
    )
    for bit in (0, 7, 255, 256, 511):
        altered = int.from_bytes(signature, "big") ^ (1 << bit)
        case(f"bit {bit} altered", point, e, altered.to_bytes(64, "big"))
    for name, value in {"0": 0, "n - 1": N - 1, "n": N, "n + 1": N + 1, "p": P, "2^256 - 1": (1 << 256) - 1}.items():
        case(f"r = {name}", point, e, join(value, s))
        case(f"s = {name}", point, e, join(r, value))
    case("t = 0", point, e, join(N - s, s))
    case("sum is infinity", point, 0, join(((1 + d) * 7) % N, (-7 * d) % N))
    for window in (0, 8, 128, 248):
        entry = 1 << window
        craft(f"tP = sG, s = 2^{window}", d, entry, entry * pow(d, -1, N) % N)
    for name, key in {"G": 1, "-G": N - 1, "2G": 2, "64G": 64, "256G": 256, "-256G": N - 256}.items():
        craft(f"key {name}", key, number(f"s {name}"), number(f"t {name}"))
        craft(f"key {name}, small factors", key, 256, 3)
    for name, pattern in {"80": 0x80, "20": 0x20, "ff": 0x7F, "zero tail": 0}.items():
        value = int.from_bytes(b"\x11" + bytes([pattern]) * 31, "big")
        craft(f"digits {name}", d, value, value + 2)
    for value in (0, N, N + 1, (1 << 256) - 1):
        case(f"e = {value:x}", point, value, sign(d, value.to_bytes(32, "big")))
    cases.extend(second_candidates())
    return cases


def second_candidates() -> list[dict[str, str]]:
    """Valid signatures whose x1 lies in [n, p): R is chosen, and the key is t^-1 (R - sG)."""
    cases = []
    for j in range(12):
        x = N + j
        square = (x**3 + A * x + B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P != square:
            continue
        e, s = number("second e", j), number("second s", j)
        r = (e + j) % N
        t = (r + s) % N
        point = multiply(pow(t, -1, N), add((x, y), multiply(N - s, G)))
        signature = join(r, s)
        digest = e.to_bytes(32, "big")
        assert verify(point, digest, signature) == "Valid"
        cases.append(
            {
                "name": f"x1 = n + {j}",
                "public": encode(point).hex(),
                "e": digest.hex(),
                "signature": signature.hex(),
                "status": "Valid",
            }
        )
    return cases


def key_cases() -> list[dict[str, str | bool]]:
    """Encodings of public keys and whether they are accepted."""
    good = encode(multiply(number("encoding"), G))
    x, y = good[1:33], good[33:]
    zero, p_bytes = bytes(32), P.to_bytes(32, "big")
    forms = {
        "uncompressed": good,
        "hybrid 06": b"\x06" + good[1:],
        "hybrid 07": b"\x07" + good[1:],
        "compressed": bytes([2 + (y[-1] & 1)]) + x,
        "infinity": b"\x00",
        "empty": b"",
        "64 bytes": good[1:],
        "66 bytes": good + b"\x00",
        "off the curve": good[:-1] + bytes([good[-1] ^ 1]),
        "x = p": b"\x04" + p_bytes + y,
        "y = p": b"\x04" + x + p_bytes,
        "zero": b"\x04" + zero + zero,
        "y = 0": b"\x04" + x + zero,
        "x = y = 2^256 - 1": b"\x04" + b"\xff" * 64,
    }
    return [{"name": name, "bytes": form.hex(), "valid": name == "uncompressed"} for name, form in forms.items()]


# SM4, GB/T 32907-2016, with its S-box from the algebraic definition.


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


def sm2_file() -> dict[str, Any]:
    """Content of sm2.json."""
    return {"id": ID_DEFAULT.hex(), "sign": sign_cases(), "verify": verify_cases(), "keys": key_cases()}


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


def sm4_file() -> dict[str, Any]:
    """Content of sm4.json."""
    data = b"".join(seed("sm4", i) for i in range(40))
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    keys = [key, *(seed("sm4 key", i)[:16] for i in range(3))]
    rfc_plain = bytes.fromhex("".join(digit * 16 for digit in "abcdefea"))
    gcm = [(key, bytes.fromhex("00001234567800000000abcd"), bytes.fromhex("feedfacedeadbeef" * 2 + "abaddad2"), rfc_plain)]
    for length in (0, 1, 15, 16, 17, 64, 991, 992, 993, 1024, 1100):
        gcm.append((keys[length % 4], seed("nonce", length)[:12], data[: length % 45], data[:length]))
    return {
        "block": [{"key": k.hex(), "plain": b.hex(), "cipher": sm4_block(k, b).hex()} for k in keys for b in (key, data[:16])],
        "ctr": [
            {"key": key.hex(), "counter": c.hex(), "plain": data[:m].hex(), "cipher": sm4_ctr(key, int.from_bytes(c, "big"), data[:m]).hex()}
            for c, m in ((data[:16], 100), (b"\xff" * 16, 40), (bytes(16), 1100))
        ],
        "cbc": [
            {"key": k.hex(), "iv": data[7:23].hex(), "plain": data[:m].hex(), "cipher": sm4_cbc(k, data[7:23], data[:m]).hex()}
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


def main() -> None:
    """Write the three files into the folder named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: generate_vectors.py FOLDER")
    folder = Path(sys.argv[1])
    for name, content in {"sm2": sm2_file(), "sm3": sm3_file(), "sm4": sm4_file()}.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
