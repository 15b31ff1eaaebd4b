"""Handshake, without sockets: who gets in, and every way in which one does not."""

from __future__ import annotations

import pytest
from hnnode_native import SecretKey, tagged_hash

from hnnode.errors import CODES, PeerFault
from hnnode.network.handshake import (
    ACCEPT_BYTES,
    HELLO_BYTES,
    MAGIC,
    STATUS_BYTES,
    DialerHandshake,
    Identity,
    ListenerHandshake,
    refusal,
)
from hnnode.ports import Channel, PeerAddress

CHAIN = b"C" * 32


def identity(seed: int, chain: bytes = CHAIN) -> Identity:
    key = SecretKey.generate(bytes([seed]) * 32)
    return Identity(key, key.public_key(), chain)


def address(who: Identity, name: str = "peer") -> PeerAddress:
    return PeerAddress(name, who.key.account(), who.public_key, "127.0.0.1", 1)


ALICE, BOB, EVE = identity(1), identity(2), identity(3)


def dialer(who: Identity = ALICE, to: Identity = BOB, channel: Channel = Channel.BULK) -> DialerHandshake:
    return DialerHandshake(who, address(to, "bob"), channel)


def listener(who: Identity = BOB, known: tuple[Identity, ...] = (ALICE,)) -> ListenerHandshake:
    peers = {k.public_key: address(k, "alice") for k in known}
    return ListenerHandshake(who, peers.get)


def answer_in_parts(handshake: DialerHandshake | ListenerHandshake, data: bytes) -> bytes:
    out = b""
    while data:
        part, data = data[: handshake.wanted], data[handshake.wanted :]
        out = handshake.receive(part)
    return out


def refused(code: str, handshake: DialerHandshake | ListenerHandshake, data: bytes) -> None:
    with pytest.raises(PeerFault) as caught:
        answer_in_parts(handshake, data)
    assert caught.value.info.name == code
    assert handshake.wanted > 0


def test_two_known_nodes_meet() -> None:
    a, b = dialer(), listener()
    hello = a.hello()
    assert len(hello) == HELLO_BYTES == b.wanted
    accept = b.receive(hello)
    assert len(accept) == ACCEPT_BYTES
    prove = answer_in_parts(a, accept)
    assert len(prove) == 64 == b.wanted
    ready = b.receive(prove)
    assert b.wanted == 0
    assert len(ready) == STATUS_BYTES == a.wanted
    assert a.receive(ready) == b""
    assert a.wanted == 0
    assert b.peer is not None
    assert (b.peer.name, b.channel) == ("alice", Channel.BULK)


@pytest.mark.parametrize(
    ("position", "code"),
    [
        (0, "FRAME_MALFORMED"),
        (7, "FRAME_MALFORMED"),
        (8, "FRAME_MALFORMED"),
        (9, "FRAME_MALFORMED"),
        (10, "PEER_CHAIN"),
        (42, "PEER_UNKNOWN"),
        (106, "PEER_UNKNOWN"),
    ],
)
def test_a_hello_with_a_wrong_field_is_refused(position: int, code: str) -> None:
    hello = bytearray(dialer().hello())
    hello[position] ^= 0x40
    refused(code, listener(), bytes(hello))


def test_another_chain_and_unknown_keys_are_refused() -> None:
    refused("PEER_CHAIN", listener(), dialer(identity(1, b"D" * 32)).hello())
    refused("PEER_UNKNOWN", listener(), dialer(EVE).hello())


def test_the_own_key_is_refused_even_when_it_stands_among_the_peers() -> None:
    refused("HANDSHAKE_FAILED", listener(BOB, (ALICE, BOB)), dialer(BOB).hello())


def test_a_known_key_without_its_secret_gets_no_further() -> None:
    """Eve says she is Alice."""
    a, b = dialer(), listener()
    accept = b.receive(a.hello())
    answer_in_parts(a, accept)
    refused("SIGNATURE_INVALID", b, EVE.key.sign(b"anything"))


def test_the_dialer_accepts_only_the_key_it_called() -> None:
    a = dialer()
    refused("HANDSHAKE_FAILED", a, listener(EVE).receive(a.hello()))
    # Eve answers with Bob's key, but cannot sign.
    a = dialer()
    forged = bytearray(listener(EVE).receive(a.hello()))
    forged[10:75] = BOB.public_key
    refused("SIGNATURE_INVALID", a, bytes(forged))


@pytest.mark.parametrize("position", [75, 106, 107, 138, 139, 170])
def test_an_accept_changed_on_the_way_is_refused(position: int) -> None:
    a, b = dialer(), listener()
    accept = bytearray(b.receive(a.hello()))
    accept[position] ^= 1
    refused("SIGNATURE_INVALID", a, bytes(accept))


def test_a_channel_changed_on_the_way_is_refused() -> None:
    """Every field of the hello is signed."""
    a, b = dialer(channel=Channel.CONSENSUS), listener()
    hello = bytearray(a.hello())
    hello[9] = Channel.BULK
    refused("SIGNATURE_INVALID", a, b.receive(bytes(hello)))


def test_a_recorded_handshake_proves_nothing_again() -> None:
    a, b = dialer(), listener()
    hello = a.hello()
    accept = b.receive(hello)
    prove = answer_in_parts(a, accept)
    assert b.receive(prove)
    again = listener()
    assert again.receive(hello) != accept
    refused("SIGNATURE_INVALID", again, prove)
    refused("SIGNATURE_INVALID", dialer(), accept)


def test_a_reflected_signature_proves_nothing() -> None:
    """A listener that only mirrors what the dialer sends never gets through."""
    a = dialer(ALICE, ALICE)
    mirror = listener(ALICE, (ALICE,))
    refused("HANDSHAKE_FAILED", mirror, a.hello())
    a, b = dialer(), listener()
    accept = b.receive(a.hello())
    # Bob's own signature comes back to him as Alice's proof.
    refused("SIGNATURE_INVALID", b, accept[-64:])


def test_roles_have_their_own_tags() -> None:
    a, b = dialer(), listener()
    accept = b.receive(a.hello())
    answer_in_parts(a, accept)
    wrong_role = ALICE.key.sign(tagged_hash("hn/peer-listen/v1", b._transcript))
    refused("SIGNATURE_INVALID", b, wrong_role)


@pytest.mark.parametrize("code", [CODES["PEER_UNKNOWN"], CODES["PEER_CHAIN"], 65535])
def test_a_refusal_tells_the_dialer_why(code: int) -> None:
    with pytest.raises(PeerFault, match=r"refused: (PEER_|65535)"):
        dialer().receive(refusal(code))
    a, b = dialer(), listener()
    answer_in_parts(a, b.receive(a.hello()))
    with pytest.raises(PeerFault, match="refused"):
        a.receive(refusal(code))


def test_an_answer_without_magic_is_refused() -> None:
    refused("FRAME_MALFORMED", dialer(), b"HTTP/1.1 4")
    assert refusal(0).startswith(MAGIC)
