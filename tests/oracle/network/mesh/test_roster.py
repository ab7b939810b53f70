"""Who is a member, whose announcement counts, which key must be proved."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.roster import Roster
from oracle.sign.announcement import SignedAnnouncement
from oracle.sign.eip712 import address_of
from tests.oracle.network.mesh.mesh_world import Member, key_of

ME, BOB, EVE = (Member(n, port=7) for n in ("me", "bob", "eve"))
OTHER_KEY = address_of(key_of("another"))


def roster() -> Roster:
    made = Roster(ME.address)
    made.set_peers([ME.peer(), BOB.peer()])
    return made


def refused(made: Roster, shown: SignedAnnouncement) -> LinkFault:
    with pytest.raises(LinkRefused) as caught:
        made.admit(shown)
    return caught.value.fault


@given(st.permutations([1, 2, 3, 4]))
def test_law_the_highest_counter_counts_in_whatever_order_they_come(order: list[int]) -> None:
    made, highest = roster(), 0
    for counter in order:
        assert made.learn(BOB.signed(counter=counter)) is (counter > highest)
        highest = max(highest, counter)
        assert not made.learn(BOB.signed(counter=counter)), "the same again is no news"
    newest = made.announced(BOB.address)
    assert newest is not None
    assert newest.said.counter == 4


def test_only_members_are_learned_and_admitted() -> None:
    made = roster()
    assert not made.learn(EVE.signed())
    assert not made.learn(ME.signed())
    assert refused(made, EVE.signed()) is LinkFault.STRANGER
    assert refused(made, ME.signed()) is LinkFault.ITSELF
    assert made.admit(BOB.signed()) == address_of(BOB.network)


def test_a_key_that_a_newer_announcement_replaced_is_refused() -> None:
    made = roster()
    made.learn(BOB.signed(counter=5, network_key=OTHER_KEY))
    assert refused(made, BOB.signed(counter=4)) is LinkFault.OLD_KEY
    assert made.admit(BOB.signed(counter=6)) == address_of(BOB.network), "and a newer one takes it back"


def test_an_older_announcement_of_the_same_key_is_as_good() -> None:
    made = roster()
    made.learn(BOB.signed(counter=5, urls=("wss://new.example",)))
    assert made.admit(BOB.signed(counter=4)) == address_of(BOB.network)
    assert made.urls(BOB.address) == ("wss://new.example",)


def test_who_leaves_is_forgotten() -> None:
    made = roster()
    made.learn(BOB.signed(counter=5))
    made.set_peers([EVE.peer()])
    assert made.announced(BOB.address) is None
    made.set_peers([BOB.peer()])
    assert made.learn(BOB.signed(counter=1))


def test_the_config_overrides_where_a_member_is_dialled() -> None:
    made = roster()
    made.learn(BOB.signed())
    assert made.urls(BOB.address) == (BOB.url,)
    made.set_peers([replace(BOB.peer(), urls=("wss://10.0.0.9:1",))])
    assert made.urls(BOB.address) == ("wss://10.0.0.9:1",)


def test_what_is_known_is_known_byte_for_byte() -> None:
    made = roster()
    first, second = BOB.signed(counter=1), BOB.signed(counter=2)
    made.learn(first)
    assert made.knows(first.raw)
    assert not made.knows(second.raw)
    made.learn(second)
    assert not made.knows(first.raw)
    assert list(itertools.chain(made.all_announced())) == [second]
