"""`BlockReader` over the state after the block before: what a plugin's handlers read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hnnode.execution.records import AccountRecord
from hnnode.execution.table import application_prefix
from hnnode.plugin_api.context import Sender
from hnnode.plugin_api.outcome import ReadFailed

if TYPE_CHECKING:
    from hnnode.ports import StateReader


class AccountRecords(Protocol):
    """Account records as of the block before (`hnnode_native.Accounts`)."""

    def get(self, account: bytes) -> bytes | None: ...


class StateBlockReader:
    """Reads for one application in one block; each account and each application's prefix is worked out once.

    It does not know which applications may be read: the context refuses the others before it asks. Every error of the
    state is raised as ReadFailed.
    """

    __slots__ = ("_accounts", "_get", "_known", "_others", "_prefix", "_scan", "failed")

    def __init__(self, prefix: bytes, state: StateReader, accounts: AccountRecords) -> None:
        self._prefix = prefix
        self._get = state.get
        self._scan = state.scan
        self._accounts = accounts
        self._known: dict[bytes, Sender] = {}
        self.failed: ReadFailed | None = None
        self._others: dict[str, bytes] = {}

    def get(self, key: bytes, /) -> bytes | None:
        try:
            return self._get(self._prefix + key)
        except Exception as e:
            raise self._fail(e) from e

    def scan(self, prefix: bytes, after: bytes | None, limit: int, /) -> list[tuple[bytes, bytes]]:
        own = self._prefix
        cut = len(own)
        try:
            rows = self._scan(own + prefix, None if after is None else own + after, limit)
        except Exception as e:
            raise self._fail(e) from e
        return [(key[cut:], value) for key, value in rows]

    def foreign(self, application: str, key: bytes, /) -> bytes | None:
        prefix = self._others.get(application)
        if prefix is None:
            prefix = self._others[application] = application_prefix(application)
        try:
            return self._get(prefix + key)
        except Exception as e:
            raise self._fail(e) from e

    def sender(self, account: bytes, /) -> Sender:
        known = self._known.get(account)
        if known is None:
            try:
                record = self._accounts.get(account)
                decoded = None if record is None else AccountRecord.decode(record)
            except Exception as e:
                raise self._fail(e) from e
            known = self._known[account] = ("", ()) if decoded is None else (decoded.organisation, decoded.roles)
        return known

    def _fail(self, error: Exception) -> ReadFailed:
        self.failed = ReadFailed(error)
        return self.failed
