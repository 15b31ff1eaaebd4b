"""From the compiled core's exception to the node's."""

from __future__ import annotations

from hnnode_native import NativeError

from hnnode.errors import ERRORS, Rejected


def rejection(error: NativeError, fallback: str) -> Rejected:
    """The same code as a `Rejected`; `fallback` names the error when the core gave none of the table."""
    info = ERRORS.get(getattr(error, "code", 0))
    return Rejected(info.name if info is not None else fallback, str(error))
