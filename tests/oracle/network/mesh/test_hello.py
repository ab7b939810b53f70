"""The handshake's bytes: hellos are bounded and typed, and a proof is worth something in its own handshake alone."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.hello import check_proof, hello_bytes, proof, read_hello, transcript_hash
from oracle.network.mesh.limits import MAX_HELLO
from oracle.sign.announcement import MOST_URLS
from oracle.sign.eip712 import Domain, address_of
from tests.oracle.network.mesh.hello_samples import HELLO, SPEAKER
from tests.oracle.network.mesh.mesh_world import DOMAIN, key_of, refusal_of

KEY = key_of("network a")


def changed(**changes: Any) -> bytes:
    return hello_bytes(msgspec.structs.replace(HELLO, **changes))


def fault(raw: bytes, domain: Domain = DOMAIN) -> LinkFault:
    with pytest.raises(LinkRefused) as caught:
        read_hello(raw, domain)
    return caught.value.fault


def proves(transcript: bytes, compact: bytes, *, dials: bool, key: bytes = address_of(KEY)) -> bool:
    refused = refusal_of(lambda: check_proof(key, transcript, compact, dials=dials))
    assert refused is None or refused.fault is LinkFault.BAD_PROOF
    return refused is None


def test_a_hello_is_read_as_it_was_said() -> None:
    heard = read_hello(hello_bytes(HELLO), DOMAIN)
    assert heard.hello == HELLO
    assert heard.announced == SPEAKER.signed()
    assert heard.version == 1


def test_the_largest_hello_fits() -> None:
    long_urls = tuple(f"wss://{n}.example/{'x' * 230}" for n in range(MOST_URLS))
    longest = SPEAKER.signed(urls=long_urls, certificate=bytes(32), versions=tuple(range(16)))
    raw = changed(announcement=longest.raw, build="b" * 64, versions=tuple(range(16)))
    assert len(raw) <= MAX_HELLO
    assert read_hello(raw, DOMAIN).announced == longest


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", LinkFault.MALFORMED),
        (b"GET / HTTP/1.1", LinkFault.MALFORMED),
        (bytes(MAX_HELLO + 1), LinkFault.OVERSIZE),
        (changed(magic="another"), LinkFault.MALFORMED),
        (changed(domain=bytes(32)), LinkFault.OTHER_STORE),
        (changed(domain=bytes(31)), LinkFault.MALFORMED),
        (changed(versions=(2, 3)), LinkFault.VERSIONS),
        (changed(versions=()), LinkFault.MALFORMED),
        (changed(versions=tuple(range(17))), LinkFault.MALFORMED),
        (changed(point=bytes(32)), LinkFault.MALFORMED),
        (changed(build="x" * 65), LinkFault.MALFORMED),
        (changed(time_ms=-1), LinkFault.MALFORMED),
        (changed(instance=b""), LinkFault.MALFORMED),
        (changed(certificate=bytes(33)), LinkFault.MALFORMED),
        (changed(announcement=b"nothing"), LinkFault.BAD_ANNOUNCEMENT),
        (changed(announcement=bytes(2_049)), LinkFault.MALFORMED),
    ],
)
def test_what_is_no_hello_for_us_is_refused_by_its_kind(raw: bytes, why: LinkFault) -> None:
    assert fault(raw) is why


def test_what_a_member_calls_its_software_moves_no_cursor() -> None:
    heard = read_hello(changed(build="1.2\x1b[2J\n0x00 ok\u202e3"), DOMAIN)
    assert heard.build == "1.2[2J0x00 ok3"


def test_a_later_version_may_say_more() -> None:
    more = msgspec.msgpack.encode([*msgspec.structs.astuple(HELLO), "something new"])
    assert read_hello(more, DOMAIN).hello == HELLO
    assert read_hello(changed(versions=(1, 2, 9)), DOMAIN).version == 1


@pytest.mark.parametrize("deep", [2_000, 3_500])
def test_a_hello_that_nests_without_end_is_read_or_refused(deep: int) -> None:
    fields = msgspec.msgpack.encode([*msgspec.structs.astuple(HELLO), "something new"])
    nested = fields[: -len(msgspec.msgpack.encode("something new"))] + b"\x91" * deep + b"\x00"
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)  # as it is where no test has set it
    try:
        refused = refusal_of(lambda: read_hello(nested, DOMAIN))
        assert refused is None or refused.fault is LinkFault.MALFORMED
        assert fault(nested[:-1]) is LinkFault.MALFORMED
    finally:
        sys.setrecursionlimit(usual)


def test_a_proof_is_worth_something_in_its_own_handshake_role_and_key_alone() -> None:
    theirs, ours = hello_bytes(HELLO), changed(build="ours")
    transcript = transcript_hash(theirs, ours, DOMAIN)
    compact = proof(KEY, transcript, dials=True)
    assert proves(transcript, compact, dials=True)
    assert not proves(transcript, compact, dials=False), "sent back to who made it"
    assert not proves(transcript, compact, dials=True, key=address_of(key_of("b")))
    assert not proves(transcript_hash(ours, theirs, DOMAIN), compact, dials=True)
    assert not proves(transcript_hash(theirs, ours, Domain(1, DOMAIN.store)), compact, dials=True)
    for short in (b"", compact[:-1], bytes(64)):
        assert not proves(transcript, short, dials=True)


@given(st.data())
def test_law_a_proof_covers_every_byte_of_both_hellos(data: st.DataObject) -> None:
    hellos = [bytearray(hello_bytes(HELLO)), bytearray(changed(build="ours"))]
    compact = proof(KEY, transcript_hash(*map(bytes, hellos), DOMAIN), dials=True)
    one = hellos[data.draw(st.integers(0, 1))]
    one[data.draw(st.integers(0, len(one) - 1))] ^= data.draw(st.integers(1, 255))
    assert not proves(transcript_hash(*map(bytes, hellos), DOMAIN), compact, dials=True)
