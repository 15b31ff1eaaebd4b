"""The `openssl` command, version 3.0 or later, and the few lines of DER that it needs.

Without `distid` versions before 4.0 sign with an empty identifier; every call here passes it.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

DISTID = ("-pkeyopt", "distid:1234567812345678")
OID_EC = bytes.fromhex("06072a8648ce3d0201")
OID_SM2 = bytes.fromhex("06082a811ccf5501822d")
OID_PBES2 = bytes.fromhex("06092a864886f70d01050d")
OID_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
OID_HMAC_SM3 = bytes.fromhex("06092a811ccf5501831102")
OID_SM4_CBC = bytes.fromhex("06082a811ccf55016802")
SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING, NULL = 0x30, 0x02, 0x03, 0x04, 0x05


def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command; it is a prerequisite of the tests, without it they fail."""
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=60, check=False)


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    """Standard output of a run that must succeed."""
    done = run(*arguments, data=data)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode(errors='replace')}"
    return done.stdout


class Folder:
    """Files that the command reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, name: str, content: bytes | str) -> str:
        path = self.path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def sign(self, secret_pem: str, message: bytes) -> bytes:
        """r || s of a message under the default identifier."""
        files = ("-inkey", self.put("secret.pem", secret_pem), "-in", self.put("message", message))
        return signature_from_der(openssl("pkeyutl", "-sign", "-rawin", "-digest", "sm3", *files, *DISTID))

    def verify(self, public_pem: str, message: bytes, signature: bytes) -> bool:
        """Verdict on a message under the default identifier."""
        return self._verify(public_pem, message, signature, "-rawin", "-digest", "sm3", *DISTID)

    def verify_digest(self, public_pem: str, e: bytes, signature: bytes) -> bool:
        """Verdict on a 32-byte digest e."""
        return self._verify(public_pem, e, signature)

    def _verify(self, public_pem: str, data: bytes, signature: bytes, *options: str) -> bool:
        public, message = self.put("public.pem", public_pem), self.put("message", data)
        files = ("-in", message, "-sigfile", self.put("signature", signature_to_der(signature)))
        done = run("pkeyutl", "-verify", "-pubin", "-inkey", public, *files, *options)
        said = b"Verified Successfully" in done.stdout
        assert said == (done.returncode == 0), done
        assert said or b"Verification Failure" in done.stdout, f"neither verdict: {done}"
        return said


# ---------------------------------------------------------------- DER and PEM


def der(tag: int, *parts: bytes) -> bytes:
    """One element."""
    content = b"".join(parts)
    size = len(content)
    long = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([128 + len(long)]) + long) + content


def undo(data: bytes) -> tuple[int, bytes, bytes]:
    """First element as (tag, content), and what follows it."""
    size, start = data[1], 2
    if size >= 128:
        start += size - 128
        size = int.from_bytes(data[2:start], "big")
    assert start + size <= len(data)
    return data[0], data[start : start + size], data[start + size :]


def children(data: bytes) -> list[tuple[int, bytes]]:
    """Elements that follow each other."""
    found = []
    while data:
        tag, content, data = undo(data)
        found.append((tag, content))
    return found


def integer(value: int) -> bytes:
    """Non-negative INTEGER."""
    return der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def signature_to_der(signature: bytes) -> bytes:
    halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    return der(SEQUENCE, *map(integer, halves))


def signature_from_der(data: bytes) -> bytes:
    tag, content, rest = undo(data)
    assert (tag, rest) == (SEQUENCE, b"")
    (r_tag, r), (s_tag, s) = children(content)
    assert r_tag == s_tag == INTEGER
    return b"".join(int.from_bytes(half, "big").to_bytes(32, "big") for half in (r, s))


def pem(label: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def unpem(label: str, text: str) -> bytes:
    lines = text.split("\n")
    assert (lines[0], *lines[-2:]) == (f"-----BEGIN {label}-----", f"-----END {label}-----", "")
    return base64.b64decode("".join(lines[1:-2]), validate=True)


def public_der(key: bytes) -> bytes:
    """SubjectPublicKeyInfo."""
    return der(SEQUENCE, der(SEQUENCE, OID_EC, OID_SM2), der(BIT_STRING, b"\0", key))


def public_pem(key: bytes) -> str:
    return pem("PUBLIC KEY", public_der(key))


def secret_der(secret: int, key: bytes) -> bytes:
    """PKCS#8 PrivateKeyInfo."""
    inner = der(
        SEQUENCE, integer(1), der(OCTET_STRING, secret.to_bytes(32, "big")), der(0xA1, der(BIT_STRING, b"\0", key))
    )
    return der(SEQUENCE, integer(0), der(SEQUENCE, OID_EC, OID_SM2), der(OCTET_STRING, inner))


def secret_pem(secret: int, key: bytes) -> str:
    return pem("PRIVATE KEY", secret_der(secret, key))


def derive(password: bytes, salt: bytes, rounds: int) -> bytes:
    """16 bytes of PBKDF2-HMAC-SM3 by the command."""
    options = ("digest:SM3", f"hexpass:{password.hex()}", f"hexsalt:{salt.hex()}", f"iter:{rounds}")
    flags = [part for option in options for part in ("-kdfopt", option)]
    return openssl("kdf", "-keylen", "16", *flags, "-binary", "PBKDF2")


def encrypted_pem(plain: bytes, password: bytes, salt: bytes, iv: bytes, rounds: int) -> str:
    """PBES2 file of a PrivateKeyInfo: key and cipher text come from the command."""
    key = derive(password, salt, rounds)
    cipher = openssl("enc", "-sm4-cbc", "-K", key.hex(), "-iv", iv.hex(), data=plain)
    prf = der(SEQUENCE, OID_HMAC_SM3, der(NULL))
    kdf = der(SEQUENCE, OID_PBKDF2, der(SEQUENCE, der(OCTET_STRING, salt), integer(rounds), prf))
    scheme = der(SEQUENCE, OID_SM4_CBC, der(OCTET_STRING, iv))
    algorithm = der(SEQUENCE, OID_PBES2, der(SEQUENCE, kdf, scheme))
    return pem("ENCRYPTED PRIVATE KEY", der(SEQUENCE, algorithm, der(OCTET_STRING, cipher)))


def open_encrypted_pem(text: str, password: bytes) -> bytes:
    """PrivateKeyInfo of a PBES2 file, read with the command's key derivation and cipher."""
    _, whole, _ = undo(unpem("ENCRYPTED PRIVATE KEY", text))
    (_, algorithm), (_, cipher) = children(whole)
    (_, scheme), (_, parameters) = children(algorithm)
    assert der(0x06, scheme) == OID_PBES2
    (_, kdf), (_, cipher_scheme) = children(parameters)
    (_, kdf_name), (_, kdf_parameters) = children(kdf)
    assert der(0x06, kdf_name) == OID_PBKDF2
    (_, salt), (_, rounds), (_, prf) = children(kdf_parameters)
    assert prf == OID_HMAC_SM3 + der(NULL)
    (_, cipher_name), (_, iv) = children(cipher_scheme)
    assert der(0x06, cipher_name) == OID_SM4_CBC
    key = derive(password, salt, int.from_bytes(rounds, "big"))
    return openssl("enc", "-d", "-sm4-cbc", "-K", key.hex(), "-iv", iv.hex(), data=cipher)
