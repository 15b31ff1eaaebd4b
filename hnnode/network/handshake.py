"""Mutual handshake of two known nodes, without I/O: bytes in, bytes out.

    dialer   hello  = magic ‖ u8 version ‖ u8 channel ‖ chain_id ‖ key_d ‖ nonce_d                     (139 bytes)
    listener accept = magic ‖ u16 0 ‖ key_l ‖ nonce_l ‖ sign_l("hn/peer-listen/v1", transcript)        (171 bytes)
             or refuse = magic ‖ u16 code, and the connection is closed
    dialer   prove  = sign_d("hn/peer-dial/v1", transcript)                                             (64 bytes)
    listener ready  = magic ‖ u16 0                                                                     (10 bytes)

transcript = version ‖ channel ‖ chain_id ‖ key_d ‖ nonce_d ‖ key_l ‖ nonce_l; the signed message is the tagged hash of
it.

Both nonces are fresh, so a recorded handshake proves nothing again; the tags and key positions differ by role, so a
reflected one neither. The dialer expects exactly the key of the peer it called. Cheap checks come first: the listener
does one signature only for a known key of the right chain.

What this does not do: it derives no key, so frames after the handshake are not encrypted or authenticated one by one.
Everything that changes the chain carries its own signature.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hnnode_native import SecretKey, tagged_hash, verify

from hnnode.errors import CODES, ERRORS, PeerFault
from hnnode.ports import Channel, PeerAddress

MAGIC = b"HNPEER01"
VERSION = 2
"""2: batches are packed."""
NONCE_BYTES = 32
_HELLO = struct.Struct(">8sBB32s65s32s")
_ACCEPT = struct.Struct(">8sH65s32s64s")
_STATUS = struct.Struct(">8sH")
_SIGNATURE_BYTES = 64
_DIAL_TAG = "hn/peer-dial/v1"
_LISTEN_TAG = "hn/peer-listen/v1"
HELLO_BYTES = _HELLO.size
ACCEPT_BYTES = _ACCEPT.size
STATUS_BYTES = _STATUS.size


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is on which chain."""

    key: SecretKey
    public_key: bytes
    chain_id: bytes


Find = Callable[[bytes], PeerAddress | None]
"""Peer with this public key, if it is known and may connect."""


def refusal(code: int) -> bytes:
    """What a listener sends before it closes."""
    return _STATUS.pack(MAGIC, code)


def _transcript(channel: int, chain_id: bytes, dialer: bytes, nonce_d: bytes, listener: bytes, nonce_l: bytes) -> bytes:
    return bytes((VERSION, channel)) + chain_id + dialer + nonce_d + listener + nonce_l


def _check_status(magic: bytes, code: int) -> None:
    if magic != MAGIC:
        raise PeerFault("FRAME_MALFORMED", "handshake answer has a wrong magic")
    if code:
        name = ERRORS[code].name if code in ERRORS else str(code)
        raise PeerFault("HANDSHAKE_FAILED", f"the peer refused: {name}")


class DialerHandshake:
    """Send `hello()`, then give `receive` exactly `wanted` bytes at a time until it is 0; send what it returns.

    Every failure is a PeerFault: FRAME_MALFORMED, HANDSHAKE_FAILED, SIGNATURE_INVALID.
    """

    def __init__(self, identity: Identity, peer: PeerAddress, channel: Channel) -> None:
        self.peer = peer
        self.channel = channel
        # The first ten bytes tell an acceptance from a refusal, which is shorter.
        self.wanted = STATUS_BYTES
        self._identity = identity
        self._nonce = os.urandom(NONCE_BYTES)
        self._head = b""
        self._proved = False

    def hello(self) -> bytes:
        me = self._identity
        return _HELLO.pack(MAGIC, VERSION, self.channel, me.chain_id, me.public_key, self._nonce)

    def receive(self, data: bytes) -> bytes:
        if self._proved:
            _check_status(*_STATUS.unpack(data))
            self.wanted = 0
            return b""
        if not self._head:
            _check_status(*_STATUS.unpack(data))
            self._head = data
            self.wanted = ACCEPT_BYTES - STATUS_BYTES
            return b""
        _, _, key, nonce, signature = _ACCEPT.unpack(self._head + data)
        if key != self.peer.public_key:
            raise PeerFault("HANDSHAKE_FAILED", f"{self.peer.name} answered with another key than the configured one")
        me = self._identity
        transcript = _transcript(self.channel, me.chain_id, me.public_key, self._nonce, key, nonce)
        if not verify(key, tagged_hash(_LISTEN_TAG, transcript), signature):
            raise PeerFault("SIGNATURE_INVALID", f"{self.peer.name} could not prove its key")
        self._proved = True
        self.wanted = STATUS_BYTES
        return me.key.sign(tagged_hash(_DIAL_TAG, transcript))


class ListenerHandshake:
    """Give `receive` exactly `wanted` bytes at a time until it is 0; send what it returns. `peer` and `channel` are set
    by the hello.

    Every failure is a PeerFault whose code may be sent as a `refusal`: FRAME_MALFORMED, PEER_CHAIN, PEER_UNKNOWN,
    HANDSHAKE_FAILED (own key, or the other side has to listen), SIGNATURE_INVALID.
    """

    def __init__(self, identity: Identity, find: Find) -> None:
        self.wanted = HELLO_BYTES
        self.peer: PeerAddress | None = None
        self.channel = Channel.CONSENSUS
        self._identity = identity
        self._find = find
        self._transcript = b""

    def receive(self, data: bytes) -> bytes:
        if self.peer is not None:
            return self._check_proof(self.peer, data)
        magic, version, channel, chain_id, key, nonce = _HELLO.unpack(data)
        if magic != MAGIC or version != VERSION or channel not in (Channel.CONSENSUS, Channel.BULK):
            raise PeerFault("FRAME_MALFORMED", f"hello has magic {magic!r}, version {version}, channel {channel}")
        me = self._identity
        if chain_id != me.chain_id:
            raise PeerFault("PEER_CHAIN", f"hello is for chain {chain_id.hex()}, this one is {me.chain_id.hex()}")
        if key == me.public_key:
            raise PeerFault("HANDSHAKE_FAILED", "hello carries this node's own key")
        peer = self._find(key)
        if peer is None:
            raise PeerFault("PEER_UNKNOWN", f"hello carries unknown key {key.hex()}")
        self.channel = Channel(channel)
        own_nonce = os.urandom(NONCE_BYTES)
        self._transcript = _transcript(channel, chain_id, key, nonce, me.public_key, own_nonce)
        signature = me.key.sign(tagged_hash(_LISTEN_TAG, self._transcript))
        self.peer = peer
        self.wanted = _SIGNATURE_BYTES
        return _ACCEPT.pack(MAGIC, 0, me.public_key, own_nonce, signature)

    def _check_proof(self, peer: PeerAddress, signature: bytes) -> bytes:
        if not verify(peer.public_key, tagged_hash(_DIAL_TAG, self._transcript), signature):
            raise PeerFault("SIGNATURE_INVALID", f"{peer.name} could not prove its key")
        self.wanted = 0
        return _STATUS.pack(MAGIC, 0)


HANDSHAKE_CODES = tuple(
    CODES[name]
    for name in (
        "FRAME_MALFORMED",
        "HANDSHAKE_FAILED",
        "PEER_UNKNOWN",
        "PEER_CHAIN",
        "PEER_QUOTA_EXCEEDED",
        "SIGNATURE_INVALID",
        "TIMEOUT",
    )
)
"""Reasons for which a handshake fails; the keys of `Counters.handshake_failures`."""
