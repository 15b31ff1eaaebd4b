"""One number space: the compiled core, the Python table and the texts agree."""

from __future__ import annotations

import hnnode_native

from hnnode.errors import CODES, ERRORS, name_of


def test_native_and_python_codes_are_equal() -> None:
    native = {name: code for name, code in hnnode_native.CODES.items() if code}
    assert native == CODES


def test_every_error_has_both_languages_and_a_status() -> None:
    assert len(ERRORS) == len(CODES)
    for info in ERRORS.values():
        assert info.zh != info.en
        assert info.en.isascii()
        assert 400 <= info.http <= 599
        assert name_of(info.code) == info.name
        assert info.retryable == (info.http in (429, 503, 504)) or info.http == 503
