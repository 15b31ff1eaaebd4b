"""How a handler or a query ends early."""

from __future__ import annotations


class TxRefused(BaseException):
    """Ends a transaction with a code and, for a rule, its id.

    Derived from BaseException so that a broad `except Exception` in a handler cannot turn a refusal into a success.
    """

    def __init__(self, code: int, rule: str = "") -> None:
        super().__init__(code, rule)
        self.code = code
        self.rule = rule


class ReadFailed(BaseException):
    """The host could not read its state: a fault of this node, not of the transaction that asked.

    Derived from BaseException so that no handler can take it for an answer; it ends the block on this node.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class QueryRefused(Exception):
    """A query cannot be answered: what was asked for is absent, invalid or too broad.

    `name` is one of NOT_FOUND, PARAMETER_INVALID, QUERY_TOO_BROAD of the error table.
    """

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail
