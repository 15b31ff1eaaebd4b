"""Keys of accounts, learned from the nodes: who is known here has signatures verified here, everybody else is left to the node.

An account is asked for after a node took something of it, so that made-up senders cost no questions. A key never changes (an account is the
hash of its key), so what is known stays right; revocation is the node's to say.

Invariant: only keys whose hash is the account, of accounts that were active, are in the table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
import structlog
from hnnode_native import Accounts, NativeError, account_of, encode_account_record

from hnnode.errors import Unavailable
from hnnode.proxy.nodes import Nodes
from hnnode.proxy.wire import Lost, Request

log = structlog.get_logger("gateway")

KNOWN_MAX = 200_000
"""Accounts held, about 300 bytes each; when there are more the table starts anew."""
WANTED_MAX = 4_096
AT_A_TIME = 8
PREFETCH_PAGES_MAX = 20
PAGE = 200
ASK_S = 3.0
ANSWER_BYTES_MAX = 1024 * 1024
_JSON = ((b"content-type", b"application/json"),)


class _Account(msgspec.Struct, frozen=True):
    account: str
    public_key: str
    active: bool


class _Answer(msgspec.Struct, frozen=True):
    result: _Account


class _Page(msgspec.Struct, frozen=True):
    items: list[_Account]
    next: str | None


class _PageAnswer(msgspec.Struct, frozen=True):
    result: _Page


class KnownAccounts:
    """`table` is what signatures are verified with. On the event loop; the table itself is thread-safe."""

    def __init__(self, nodes: Nodes, key_cache_bytes: int) -> None:
        self.table = Accounts(key_cache_bytes)
        self._nodes = nodes
        self._wanted: dict[bytes, None] = {}
        self._wake = asyncio.Event()

    def want(self, senders: Iterable[bytes]) -> None:
        """Ask for these accounts soon. More than can wait are left for the next time they are met."""
        for sender in senders:
            if len(self._wanted) >= WANTED_MAX:
                break
            self._wanted[sender] = None
        if self._wanted:
            self._wake.set()

    async def run(self) -> None:
        """For ever: ask for what is wanted. A question without an answer is forgotten; the account will be met again."""
        while True:
            await self._wake.wait()
            group = [self._wanted.popitem()[0] for _ in range(min(AT_A_TIME, len(self._wanted)))]
            if not self._wanted:
                self._wake.clear()
            found = await asyncio.gather(*(self._ask(account) for account in group))
            self._add(account for account in found if account is not None)

    async def prefetch(self) -> None:
        """The first accounts of the chain, so that a gateway that starts knows the usual ones. What fails is left out."""
        after = ""
        for _ in range(PREFETCH_PAGES_MAX):
            body = await self._query(b"accounts", msgspec.json.encode({"limit": PAGE, "after": after}))
            try:
                page = msgspec.json.decode(body, type=_PageAnswer).result
            except msgspec.DecodeError:
                return
            self._add(page.items)
            if page.next is None:
                return
            after = page.next

    async def _ask(self, account: bytes) -> _Account | None:
        body = await self._query(b"account", b'{"account":"%s"}' % account.hex().encode("ascii"))
        try:
            return msgspec.json.decode(body, type=_Answer).result
        except msgspec.DecodeError:
            return None

    async def _query(self, query: bytes, arguments: bytes) -> bytes:
        """The answer, empty when there is none."""
        request = Request("POST", b"/v1/applications/identity/queries/" + query, _JSON, arguments)
        node = self._nodes.best()
        if node is None:
            return b""
        try:
            reply = await self._nodes.exchange(node, request, ASK_S)
            body = await reply.body(ANSWER_BYTES_MAX)
        except (Lost, Unavailable) as e:
            log.info("account not learned", detail=str(e))
            return b""
        return body if reply.status == 200 else b""

    def _add(self, found: Iterable[_Account]) -> None:
        records: list[tuple[bytes, bytes]] = []
        for one in found:
            try:
                account, key = bytes.fromhex(one.account), bytes.fromhex(one.public_key)
                is_own = account_of(key) == account
            except (ValueError, NativeError):
                continue
            if one.active and is_own:
                records.append((account, encode_account_record(key, True, 0, "", [])))
        if records and self.table.count() + len(records) > KNOWN_MAX:
            self.table.load(records)
        elif records:
            self.table.add(records)
