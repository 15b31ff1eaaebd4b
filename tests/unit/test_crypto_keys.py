"""Key files and signers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hnnode_native import Tx, account_of, tagged_hash, verify

from hnnode.crypto import (
    FileSigner,
    MemorySigner,
    Signer,
    read_key_file,
    read_public_key_file,
    sign_bodies,
    write_key_file,
    write_public_key_file,
)
from hnnode.crypto.keys import KEY_FILE_BYTES_MAX, generate_key
from hnnode.errors import CODES, ConfigError, Rejected
from hnnode.primitives.tx import PAYLOAD_BYTES_MAX, TxBody, build_body


def body(signer: Signer, **changes: object) -> TxBody:
    arguments: dict[str, object] = {
        "chain_id": bytes(range(32)),
        "sender": signer.account,
        "valid_until_height": 9,
        "application": "evidence",
        "action": "preserve",
        "payload": b"{}",
    }
    return build_body(**(arguments | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("passphrase", [None, "open sesame", "口令"])
def test_a_key_survives_its_file(tmp_path: Path, passphrase: str | None) -> None:
    path = tmp_path / "key.pem"
    key = generate_key()
    write_key_file(path, key, passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ("ENCRYPTED" in path.read_text()) == (passphrase is not None)
    assert read_key_file(path, passphrase).public_key() == key.public_key()
    assert FileSigner(path, passphrase).account == key.account()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777, 0o610, 0o601])
def test_a_file_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    write_key_file(path, generate_key())
    path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        read_key_file(path)
    assert caught.value.code == CODES["KEY_FILE_PERMISSIONS"]
    path.chmod(0o400)
    read_key_file(path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    encrypted = tmp_path / "encrypted.pem"
    write_key_file(encrypted, generate_key(), "right")
    for content in (b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 40, b"x" * (KEY_FILE_BYTES_MAX + 1)):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(ConfigError) as caught:
            read_key_file(path)
        assert caught.value.code == CODES["KEY_FILE_INVALID"]
    for target, passphrase in (
        (encrypted, "wrong"),
        (encrypted, None),
        (tmp_path / "none.pem", None),
        (tmp_path, None),
    ):
        with pytest.raises(ConfigError) as caught:
            read_key_file(target, passphrase)
        assert caught.value.code == CODES["KEY_FILE_INVALID"]
    os.mkfifo(tmp_path / "pipe", 0o600)
    reader = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(ConfigError):
        read_key_file(tmp_path / "pipe")
    os.close(reader)


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key_file(path, generate_key())
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        write_key_file(path, generate_key())
    with pytest.raises(ConfigError):
        write_key_file(tmp_path / "missing" / "key.pem", generate_key())
    assert path.read_bytes() == before


def test_public_keys_are_for_everybody(tmp_path: Path) -> None:
    signer = MemorySigner.generate()
    path = tmp_path / "key.pub"
    write_public_key_file(path, signer.public_key)
    assert read_public_key_file(path) == signer.public_key
    path.chmod(0o666)
    assert read_public_key_file(path) == signer.public_key
    with pytest.raises(ConfigError):
        read_public_key_file(tmp_path / "none")


def test_signers_sign_as_their_account() -> None:
    signer = MemorySigner.generate()
    assert isinstance(signer, Signer)
    assert signer.account == account_of(signer.public_key)
    assert verify(signer.public_key, b"message", signer.sign(b"message"))
    many = signer.sign_many([b"a", b"b"])
    assert [verify(signer.public_key, m, s) for m, s in zip((b"a", b"b"), many, strict=True)] == [True, True]


def test_signed_bodies_decode_to_what_was_built() -> None:
    signer = MemorySigner.generate()
    bodies = [body(signer, nonce=i) for i in range(20)]
    for built, signed in zip(bodies, sign_bodies(signer, bodies), strict=True):
        tx = Tx.decode(signed.data)
        assert tx.tx_id == signed.tx_id == built.tx_id == tagged_hash("hn/tx/v1", built.encoding)
        assert (tx.sender, tx.nonce, tx.application, tx.payload) == (signer.account, built.nonce, "evidence", b"{}")
        assert verify(signer.public_key, tx.tx_id, tx.signature)


def test_nonces_differ_by_themselves() -> None:
    signer = MemorySigner.generate()
    assert len({body(signer).tx_id for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": -1},
        {"nonce": 2**64},
        {"valid_until_height": -1},
        {"valid_until_height": 2**64},
        {"payload": bytes(PAYLOAD_BYTES_MAX + 1)},
        {"application": "Evidence"},
        {"application": ""},
        {"action": "a" * 33},
        {"chain_id": b""},
        {"sender": bytes(21)},
    ],
)
def test_values_the_format_refuses_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(Rejected):
        body(MemorySigner.generate(), **change)


def test_a_signer_that_loses_signatures_is_noticed() -> None:
    class Losing(MemorySigner):
        def sign_many(self, messages: object) -> list[bytes]:
            return []

    signer = Losing(generate_key())
    with pytest.raises(Exception, match="signatures"):
        sign_bodies(signer, [body(signer)])
