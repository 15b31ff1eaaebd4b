"""Every case of `sm2.json`, `sm3.json` and `sm4.json` with gmssl, hashlib and the openssl command, and the compiled core beside them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
from pathlib import Path
from typing import Any

import hnnode_native as native
import pytest

from tests.vectors import sm_twin
from tests.vectors.openssl_command import (
    Folder,
    encrypted_pem,
    open_encrypted_pem,
    openssl,
    public_pem,
    run,
    secret_der,
    secret_pem,
    signature_from_der,
    signature_to_der,
)

HERE = Path(__file__).parent
SM2, SM3, SM4 = (json.loads((HERE / f"{name}.json").read_text()) for name in ("sm2", "sm3", "sm4"))
SEED = int(os.environ.get("HN_VECTOR_SEED", "32918"))
CASES = 24
MESSAGE_BYTES = (0, 1, 31, 32, 63, 64, 65, 1000)
Case = dict[str, Any]


def unhex(case: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    print(f"HN_VECTOR_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


def random_pair(rng: random.Random) -> tuple[int, bytes, native.SecretKey]:
    """A secret scalar, its public key by gmssl, and the key as the core reads it from a file."""
    secret = rng.randrange(1, sm_twin.N - 1)
    public = sm_twin.public_key(secret)
    return secret, public, native.SecretKey.from_pem(secret_pem(secret, public))


def test_the_openssl_command_is_new_enough() -> None:
    words = openssl("version").decode().split()
    assert words[0] == "OpenSSL"
    assert int(words[1].split(".")[0]) >= 3, words


# ---------------------------------------------------------------- SM3


def test_hashes() -> None:
    for case in SM3["hash"]:
        message, digest = unhex(case, "message", "digest")
        assert sm_twin.gmssl_sm3(message) == sm_twin.sm3(message) == digest
        assert openssl("dgst", "-sm3", "-binary", data=message) == digest
        assert native.sm3(message) == digest
        whole = native.Sm3()
        for start in range(0, len(message), 17):
            whole.update(message[start : start + 17])
        assert whole.digest() == digest
    messages = [bytes.fromhex(case["message"]) for case in SM3["hash"]]
    assert [digest.hex() for digest in native.sm3_batch(messages)] == [case["digest"] for case in SM3["hash"]]


@pytest.mark.skipif(not sm_twin.HASHLIB_SM3, reason="the OpenSSL of this Python has no SM3")
def test_hashes_by_hashlib() -> None:
    for case in SM3["hash"]:
        assert hashlib.new("sm3", bytes.fromhex(case["message"])).hexdigest() == case["digest"]
    for case in SM3["hmac"]:
        key, message, tag = unhex(case, "key", "message", "tag")
        assert hmac.digest(key, message, "sm3") == tag
    for case in SM3["pbkdf2"]:
        password, salt, key = unhex(case, "pass", "salt", "key")
        assert hashlib.pbkdf2_hmac("sm3", password, salt, case["rounds"], len(key)) == key


def test_tagged_hashes() -> None:
    for case in SM3["tagged"]:
        message, digest = unhex(case, "message", "digest")
        block = case["tag"].encode().ljust(64, b"\0")
        assert sm_twin.gmssl_sm3(block + message) == digest
        assert openssl("dgst", "-sm3", "-binary", data=block + message) == digest
        assert native.tagged_hash(case["tag"], message) == digest


def test_hmac() -> None:
    for case in SM3["hmac"]:
        key, message, tag = unhex(case, "key", "message", "tag")
        assert sm_twin.hmac_sm3(key, message) == native.hmac_sm3(key, message) == tag
        if key:  # the command takes no empty key
            options = ("-digest", "SM3", "-macopt", f"hexkey:{key.hex()}", "-binary", "HMAC")
            assert openssl("mac", *options, data=message) == tag


def test_pbkdf2() -> None:
    for case in SM3["pbkdf2"]:
        password, salt, key = unhex(case, "pass", "salt", "key")
        rounds = case["rounds"]
        assert sm_twin.pbkdf2(password, salt, rounds, len(key)) == key
        flags = (f"hexpass:{password.hex()}", f"hexsalt:{salt.hex()}", f"iter:{rounds}", "digest:SM3")
        options = [part for flag in flags for part in ("-kdfopt", flag)]
        assert openssl("kdf", "-keylen", str(len(key)), *options, "-binary", "PBKDF2") == key


# ---------------------------------------------------------------- SM4


def test_sm4_blocks_and_modes() -> None:
    for case in SM4["block"]:
        key, plain, cipher = unhex(case, "key", "plain", "cipher")
        assert sm_twin.sm4_block(key, plain) == cipher
        assert openssl("enc", "-sm4-ecb", "-nopad", "-K", key.hex(), data=plain) == cipher
    for case in SM4["ctr"]:
        key, counter, plain, cipher = unhex(case, "key", "counter", "plain", "cipher")
        assert sm_twin.sm4_ctr(key, int.from_bytes(counter, "big"), plain) == cipher
        assert openssl("enc", "-sm4-ctr", "-K", key.hex(), "-iv", counter.hex(), data=plain) == cipher
    for case in SM4["cbc"]:
        key, iv, plain, cipher = unhex(case, "key", "iv", "plain", "cipher")
        assert sm_twin.sm4_cbc(key, iv, plain) == cipher
        assert sm_twin.sm4_cbc_open(key, iv, cipher) == plain
        assert openssl("enc", "-sm4-cbc", "-K", key.hex(), "-iv", iv.hex(), data=plain) == cipher


def test_sm4_gcm() -> None:
    for case in SM4["gcm"]:
        key, number, aad, plain, sealed = unhex(case, "key", "nonce", "aad", "plain", "sealed")
        assert sm_twin.sm4_gcm(key, number, aad, plain) == sealed
        assert native.sm4_gcm_seal(key, number, aad, plain) == sealed
        assert native.sm4_gcm_open(key, number, aad, sealed) == plain
        changes = [(0, 0x80), (len(sealed) - 1, 1), (len(sealed) // 2, 4)]
        for index, bit in changes:
            altered = bytearray(sealed)
            altered[index] ^= bit
            with pytest.raises(native.NativeError):
                native.sm4_gcm_open(key, number, aad, bytes(altered))
        for arguments in ((key, number, aad + b"\0", sealed), (key, number, aad, sealed[:-1])):
            with pytest.raises(native.NativeError):
                native.sm4_gcm_open(*arguments)


def test_sm4_gcm_of_random_texts(rng: random.Random) -> None:
    for _ in range(CASES):
        key, number = rng.randbytes(16), rng.randbytes(12)
        aad, plain = rng.randbytes(rng.randrange(40)), rng.randbytes(rng.randrange(200))
        sealed = native.sm4_gcm_seal(key, number, aad, plain)
        assert sealed == sm_twin.sm4_gcm(key, number, aad, plain), SEED


# ---------------------------------------------------------------- SM2 vectors


def test_signatures(folder: Folder) -> None:
    """ZA, e and the nonce are computed here; gmssl then gives the very bytes of the file, and so does the core."""
    assert SM2["id"] == sm_twin.ID.hex()
    for case in SM2["sign"]:
        secret_bytes, public, message, za, e, signature = unhex(
            case, "secret", "public", "message", "za", "e", "signature"
        )
        secret = int.from_bytes(secret_bytes, "big")
        assert sm_twin.public_key(secret) == public
        assert sm_twin.za(public) == za
        assert sm_twin.message_digest(public, message) == e
        assert sm_twin.sign_digest(secret, e, sm_twin.nonce(secret, e)) == signature
        assert sm_twin.verify(public, message, signature)
        assert folder.verify(public_pem(public), message, signature)
        key = native.SecretKey.from_pem(secret_pem(secret, public))
        assert key.public_key() == public
        assert key.sign(message) == signature
        assert native.verify(public, message, signature)
        account = sm_twin.sm3(b"hn/account/v1".ljust(64, b"\0") + public)[:20]
        assert native.account_of(public) == key.account() == account
    publics, messages, signatures = (
        [bytes.fromhex(case[name]) for case in SM2["sign"]] for name in ("public", "message", "signature")
    )
    assert native.verify_batch(publics, messages, signatures) == bytes(len(publics))
    assert native.verify_batch(publics, messages[1:] + messages[:1], signatures) == b"\1" * len(publics)


def test_hints() -> None:
    """The hint is the parity of y of the nonce's point; a wrong one, and a bad signature beside good ones, change no other status."""
    publics, messages, signatures, hints = [], [], [], bytearray()
    for index in range(200):
        seed = sm_twin.sm3(b"hint" + bytes([index % 150]))
        key = native.SecretKey.generate(seed)
        publics.append(key.public_key())
        messages.append(seed[: index % 33])
        signatures.append(key.sign(messages[-1]))
        status, hint = native.verify_with_hint(publics[-1], messages[-1], signatures[-1])
        assert status == 0
        hints.append(hint)
    for case in SM2["sign"][:8]:
        secret, public, message, e, signature = unhex(case, "secret", "public", "message", "e", "signature")
        point = sm_twin.multiply(sm_twin.nonce(int.from_bytes(secret, "big"), e), sm_twin.G)
        assert point is not None
        assert native.verify_with_hint(public, message, signature) == (0, int(point, 16) & 1)
    batch = native.verify_batch_hinted
    assert batch(publics, messages, signatures, bytes(hints)) == bytes(200)
    assert batch(publics, messages, signatures, bytes(1 - hint for hint in hints)) == bytes(200)
    signatures[7] = signatures[8]
    publics[9] = b"\4" + bytes(64)
    signatures[10] = bytes(64)
    expected = bytes(7) + b"\1\0\3\2" + bytes(189)
    assert batch(publics, messages, signatures, bytes(hints)) == expected
    assert native.verify_with_hint(publics[7], messages[7], signatures[7])[0] == 1
    for wrong in (bytes(199), bytes(201), b"", b"\2" + bytes(199)):
        with pytest.raises(native.NativeError):
            batch(publics, messages, signatures, wrong)
    for items in ((publics[1:], messages, signatures), (publics, messages, [*signatures[1:], b""])):
        with pytest.raises(native.NativeError):
            batch(*items, bytes(hints))
    assert batch([], [], [], b"") == b""


def test_verdicts_on_digests(folder: Folder) -> None:
    """Ranges, t = 0, sums of infinity and doublings. The core takes no bare digest from Python: where the verdict does not depend on
    e it must give the same one for any message; `cargo test -p hn-crypto` proves the rest."""
    seen = set()
    for case in SM2["verify"]:
        public, e, signature = unhex(case, "public", "e", "signature")
        seen.add(case["status"])
        assert sm_twin.verify_digest(public, e, signature) == case["status"], case["name"]
        assert folder.verify_digest(public_pem(public), e, signature) == (case["status"] == "Valid"), case["name"]
        status = native.verify_batch([public], [b"any message"], [signature])
        assert status == (b"\2" if case["status"] == "OutOfRange" else b"\1"), case["name"]
        assert not native.verify(public, b"any message", signature)
    assert seen == {"Valid", "BadSignature", "OutOfRange"}


def test_public_keys(folder: Folder) -> None:
    for case in SM2["keys"]:
        (key,) = unhex(case, "bytes")
        assert sm_twin.is_point(key) == case["valid"], case["name"]
        if len(key) == 65 and key[0] == 4:  # compressed and hybrid points are keys for others
            path = folder.put("public.pem", public_pem(key))
            assert (run("pkey", "-pubin", "-in", path, "-pubcheck", "-noout").returncode == 0) == case["valid"]
        status = native.verify_batch([key], [b"any message"], [b"\1" * 64])
        assert status == (b"\1" if case["valid"] else b"\3"), case["name"]
        if case["valid"]:
            assert native.public_key_to_pem(key) == public_pem(key)
            continue
        for call in (native.public_key_to_pem, native.account_of):
            with pytest.raises(native.NativeError) as caught:
                call(key)
            assert caught.value.code == native.CODES["PUBLIC_KEY_INVALID"], case["name"]


# ---------------------------------------------------------------- SM2 both ways


def test_native_signs_and_the_others_verify(rng: random.Random, folder: Folder) -> None:
    for index in range(CASES):
        _, public, key = random_pair(rng)
        message = rng.randbytes(MESSAGE_BYTES[index % len(MESSAGE_BYTES)])
        signature = key.sign(message)
        assert sm_twin.verify(public, message, signature), (SEED, index)
        assert folder.verify(public_pem(public), message, signature), (SEED, index)
        altered = bytearray(signature)
        altered[rng.randrange(64)] ^= 1 << rng.randrange(8)
        verdicts = {
            sm_twin.verify(public, message, bytes(altered)),
            folder.verify(public_pem(public), message, bytes(altered)),
            native.verify(public, message, bytes(altered)),
        }
        assert verdicts == {False}, (SEED, index)


def test_the_others_sign_and_native_verifies(rng: random.Random, folder: Folder) -> None:
    for index in range(CASES):
        secret, public, _ = random_pair(rng)
        message = rng.randbytes(MESSAGE_BYTES[index % len(MESSAGE_BYTES)])
        e = sm_twin.message_digest(public, message)
        by_gmssl = sm_twin.sign_digest(secret, e, rng.randrange(1, sm_twin.N))
        signatures = [by_gmssl]
        if message:  # the command reads no empty file
            signatures.append(folder.sign(secret_pem(secret, public), message))
        for signature in signatures:
            assert native.verify(public, message, signature), (SEED, index)
            assert not native.verify(public, message + b"\0", signature), (SEED, index)


def test_gmssl_as_its_users_call_it(rng: random.Random) -> None:
    """The public calls of gmssl with its own ZA; the key is set after the constructor, which would strip leading digits `0` and `4`."""
    for index in range(4):
        secret, public, key = random_pair(rng)
        other = sm_twin.gm2.CryptSM2(private_key=f"{secret:064x}", public_key="")
        other.public_key = public[1:].hex()
        message = rng.randbytes(50)
        assert other.verify_with_sm3(key.sign(message).hex(), message), (SEED, index)
        signature = other.sign_with_sm3(message, f"{rng.randrange(1, sm_twin.N):064x}")
        assert native.verify(public, message, bytes.fromhex(signature)), (SEED, index)


def test_signature_der(rng: random.Random) -> None:
    for signature in (rng.randbytes(64), b"\0" * 31 + b"\1" + b"\xff" * 32, b"\x7f" * 32 + b"\x80" * 32, bytes(64)):
        assert signature_from_der(signature_to_der(signature)) == signature


# ---------------------------------------------------------------- key files


@pytest.mark.parametrize("options", [("-algorithm", "SM2"), ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2")])
def test_openssl_keys_are_read(folder: Folder, options: tuple[str, ...]) -> None:
    text = openssl("genpkey", *options).decode()
    key = native.SecretKey.from_pem(text)
    assert key.to_pem() == text
    path = folder.put("secret.pem", text)
    public = openssl("pkey", "-in", path, "-pubout").decode()
    assert native.public_key_from_pem(public) == key.public_key()
    assert native.public_key_to_pem(key.public_key()) == public_pem(key.public_key()) == public
    assert native.verify(key.public_key(), b"a message", folder.sign(text, b"a message"))


def test_native_keys_are_read_by_openssl(rng: random.Random, folder: Folder) -> None:
    for index in range(6):
        key = native.SecretKey.generate(rng.randbytes(32))
        path = folder.put("secret.pem", key.to_pem())
        openssl("pkey", "-in", path, "-check", "-noout")
        public = openssl("pkey", "-in", path, "-pubout").decode()
        assert public == native.public_key_to_pem(key.public_key()), (SEED, index)
        text = openssl("pkey", "-in", path, "-text", "-noout").decode()
        digits = "".join(text.split("priv:")[1].split("pub:")[0].split()).replace(":", "")
        assert sm_twin.public_key(int(digits, 16)) == key.public_key(), (SEED, index)


def test_encrypted_keys_cross_both_ways(rng: random.Random, folder: Folder) -> None:
    """PBKDF2-HMAC-SM3 and SM4-CBC by the command's own calls: `openssl pkey` of 3.0 does not know the scheme, later versions know it
    under the other identifier of HMAC-SM3 (1.2.156.10197.1.401.3.1 of GM/T 0091, not the registered 1.2.156.10197.1.401.2)."""
    secret, public, key = random_pair(rng)
    passphrase, salt, iv = "开门 sesame", rng.randbytes(16), rng.randbytes(16)
    ours = key.to_encrypted_pem(passphrase, salt, iv, 600_000)
    assert open_encrypted_pem(ours, passphrase.encode()) == secret_der(secret, public)
    assert encrypted_pem(secret_der(secret, public), passphrase.encode(), salt, iv, 600_000) == ours
    assert native.SecretKey.from_pem(ours, passphrase).public_key() == public
    theirs = encrypted_pem(secret_der(secret, public), passphrase.encode(), rng.randbytes(8), iv, 2048)
    assert native.SecretKey.from_pem(theirs, passphrase).public_key() == public
    for wrong in (None, "", "开门", passphrase + " "):
        with pytest.raises(native.NativeError) as caught:
            native.SecretKey.from_pem(theirs, wrong)
        assert caught.value.code == native.CODES["KEY_FILE_INVALID"]
