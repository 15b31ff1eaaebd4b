"""SM2 signatures of GB/T 32918.2-2016, in affine coordinates over plain integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sm3 import hmac_sm3, seed, sm3

if TYPE_CHECKING:
    from collections.abc import Iterator

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
G = (GX, GY)
ID_DEFAULT = b"1234567812345678"

Point = tuple[int, int] | None


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
    for bit in f"{scalar % N:b}":
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


def nonces(d: int, e: bytes) -> Iterator[int]:
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
    lone = multiply(s, G)
    assert lone is not None
    case("t = 0, e = r - x(sG)", point, (N - s - lone[0]) % N, join(N - s, s))
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


def sm2_file() -> dict[str, Any]:
    """Content of sm2.json."""
    return {"id": ID_DEFAULT.hex(), "sign": sign_cases(), "verify": verify_cases(), "keys": key_cases()}
