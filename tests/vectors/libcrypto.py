"""SM2 and SM3 of OpenSSL's library in this process, for thousands of cases: the command would start a process for each.

The identifier is always `1234567812345678`; versions before 4.0 would take an empty one.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_void_p, create_string_buffer
from functools import cache
from types import TracebackType

from tests.vectors.openssl_command import public_der, signature_from_der, signature_to_der
from tests.vectors.sm_twin import ID

SIGNATURE_BYTES_MAX = 80
_HANDLE = c_void_p
_FUNCTIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "OPENSSL_version_major": (c_uint, ()),
    "EVP_sm3": (_HANDLE, ()),
    "EVP_MD_CTX_new": (_HANDLE, ()),
    "EVP_MD_CTX_free": (None, (_HANDLE,)),
    "EVP_MD_CTX_set_pkey_ctx": (None, (_HANDLE, _HANDLE)),
    "EVP_PKEY_CTX_new": (_HANDLE, (_HANDLE, _HANDLE)),
    "EVP_PKEY_CTX_free": (None, (_HANDLE,)),
    "EVP_PKEY_CTX_set1_id": (c_int, (_HANDLE, c_char_p, c_size_t)),
    "EVP_PKEY_free": (None, (_HANDLE,)),
    "EVP_DigestSignInit": (c_int, (_HANDLE, c_void_p, _HANDLE, c_void_p, _HANDLE)),
    "EVP_DigestSign": (c_int, (_HANDLE, c_char_p, POINTER(c_size_t), c_char_p, c_size_t)),
    "EVP_DigestVerifyInit": (c_int, (_HANDLE, c_void_p, _HANDLE, c_void_p, _HANDLE)),
    "EVP_DigestVerify": (c_int, (_HANDLE, c_char_p, c_size_t, c_char_p, c_size_t)),
    "EVP_Digest": (c_int, (c_char_p, c_size_t, c_char_p, POINTER(c_uint), _HANDLE, c_void_p)),
    "ERR_clear_error": (None, ()),
    "d2i_PUBKEY": (_HANDLE, (c_void_p, POINTER(POINTER(c_ubyte)), ctypes.c_long)),
    "d2i_AutoPrivateKey": (_HANDLE, (c_void_p, POINTER(POINTER(c_ubyte)), ctypes.c_long)),
}


@cache
def library() -> ctypes.CDLL | None:
    """The library with its signatures set; None when it is absent, older than 3.0, or built without SM2 or SM3."""
    path = ctypes.util.find_library("crypto")
    if path is None:
        return None
    try:
        found = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return found if found.OPENSSL_version_major() >= 3 else None


class Key:
    """A key pair or a public key inside the library; a context manager, because it is freed by hand."""

    def __init__(self, handle: int | None, lib: ctypes.CDLL) -> None:
        assert handle, "the library does not take this key"
        self._handle, self._lib = handle, lib

    @classmethod
    def _read(cls, read: str, der: bytes) -> Key:
        lib = library()
        assert lib is not None
        data = (c_ubyte * len(der)).from_buffer_copy(der)
        cursor = ctypes.cast(data, POINTER(c_ubyte))
        return cls(getattr(lib, read)(None, byref(cursor), len(der)), lib)

    @classmethod
    def public(cls, key: bytes) -> Key:
        """From 65 bytes."""
        return cls._read("d2i_PUBKEY", public_der(key))

    @classmethod
    def secret(cls, der: bytes) -> Key:
        """From PKCS#8."""
        return cls._read("d2i_AutoPrivateKey", der)

    def __enter__(self) -> Key:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lib.EVP_PKEY_free(self._handle)

    def _context(self, start: str) -> tuple[int, int]:
        lib = self._lib
        context, options = lib.EVP_MD_CTX_new(), lib.EVP_PKEY_CTX_new(self._handle, None)
        assert context
        assert options
        assert lib.EVP_PKEY_CTX_set1_id(options, ID, len(ID)) == 1
        lib.EVP_MD_CTX_set_pkey_ctx(context, options)
        assert getattr(lib, start)(context, None, lib.EVP_sm3(), None, self._handle) == 1
        return context, options

    def _free(self, context: int, options: int) -> None:
        self._lib.EVP_MD_CTX_free(context)
        self._lib.EVP_PKEY_CTX_free(options)
        self._lib.ERR_clear_error()

    def sign(self, message: bytes) -> bytes:
        """r || s, with a random nonce."""
        context, options = self._context("EVP_DigestSignInit")
        out, size = create_string_buffer(SIGNATURE_BYTES_MAX), c_size_t(SIGNATURE_BYTES_MAX)
        done = self._lib.EVP_DigestSign(context, out, byref(size), message, len(message))
        self._free(context, options)
        assert done == 1
        return signature_from_der(out.raw[: size.value])

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Verdict on r || s."""
        context, options = self._context("EVP_DigestVerifyInit")
        der = signature_to_der(signature)
        verdict: int = self._lib.EVP_DigestVerify(context, der, len(der), message, len(message))
        self._free(context, options)
        return verdict == 1


def sm3(data: bytes) -> bytes:
    """Digest by the library."""
    lib = library()
    assert lib is not None
    out = create_string_buffer(32)
    assert lib.EVP_Digest(data, len(data), out, None, lib.EVP_sm3(), None) == 1
    return out.raw
