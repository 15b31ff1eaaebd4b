"""Key files: PKCS#8 PEM, plain or encrypted (PBES2 with PBKDF2-HMAC-SM3 and SM4-CBC), for the owner's eyes only.

A private key file that group or others can read is refused, so that a careless copy is noticed before it is used.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hnnode_native import NativeError, SecretKey, public_key_from_pem, public_key_to_pem

from hnnode.errors import ConfigError

KEY_FILE_BYTES_MAX = 16 * 1024
ENCRYPTION_ROUNDS = 600_000


def generate_key() -> SecretKey:
    """A new SM2 key from the system's random source."""
    return SecretKey.generate(os.urandom(32))


def read_key_file(path: Path, passphrase: str | None = None) -> SecretKey:
    """Raises ConfigError 2005 when the mode is looser than 600, 2004 when it is no key or the pass phrase is wrong."""
    pem = _read_text(path, private=True)
    try:
        return SecretKey.from_pem(pem, passphrase)
    except NativeError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: {e}") from e


def write_key_file(path: Path, key: SecretKey, passphrase: str | None = None) -> None:
    """Create `path` with mode 600, synced. Raises ConfigError 2004 when it exists: nothing is overwritten."""
    _create(path, key.to_pem() if passphrase is None else _encrypted(key, passphrase), 0o600)


def read_public_key_file(path: Path) -> bytes:
    """65 bytes, from a SubjectPublicKeyInfo PEM. Raises ConfigError 2004."""
    try:
        return public_key_from_pem(_read_text(path, private=False))
    except NativeError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: {e}") from e


def write_public_key_file(path: Path, public_key: bytes) -> None:
    """Create `path`, readable by all. Raises ConfigError 2004 when it exists."""
    _create(path, public_key_to_pem(public_key), 0o644)


def read_secret_file(path: Path) -> str:
    """Text of a file that only its owner may read. Raises ConfigError 2005 when the mode is looser than 600, else 2004."""
    return _read_text(path, private=True)


def create_secret_file(path: Path, text: str) -> None:
    """Create `path` with mode 600, synced. Raises ConfigError 2004 when it exists."""
    _create(path, text, 0o600)


def _encrypted(key: SecretKey, passphrase: str) -> str:
    return key.to_encrypted_pem(passphrase, os.urandom(16), os.urandom(16), ENCRYPTION_ROUNDS)


def _read_text(path: Path, *, private: bool) -> str:
    try:
        with path.open("rb") as file:
            # The mode of the open file, not of the name, so that the file cannot be changed in between.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError("KEY_FILE_INVALID", f"{path}: not a regular file")
            if private and status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise ConfigError("KEY_FILE_PERMISSIONS", f"{path}: got mode {mode:03o}, want 600 (chmod 600 {path})")
            data = file.read(KEY_FILE_BYTES_MAX + 1)
    except FileNotFoundError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: no such file") from e
    except OSError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: {e.strerror}") from e
    if len(data) > KEY_FILE_BYTES_MAX:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: longer than {KEY_FILE_BYTES_MAX} bytes")
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: not a PEM text") from e


def _create(path: Path, text: str, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: exists already and is not overwritten") from e
    except OSError as e:
        raise ConfigError("KEY_FILE_INVALID", f"{path}: {e.strerror}") from e
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
