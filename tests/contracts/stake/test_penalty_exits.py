"""How the guilty used to leave: each way tried against `Penalties`, over a real store that a stand-in of the set owns."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

import contracts
from oracle.sign.eip712 import Domain, batch_bytes, batch_digest
from tests.contracts.contract_tools import WAD, Item
from tests.contracts.evm_process import GUARDIAN, STRANGER, signature
from tests.contracts.stake.penalty_world import (
    ANSWER_S,
    ARBITER,
    DAY,
    DISPUTED,
    JAIL_S,
    LEAST,
    SEALED,
    Lie,
    PenaltyWorld,
    key,
    operator,
)


@pytest.fixture
def world() -> PenaltyWorld:
    return PenaltyWorld()


class StoreWorld(PenaltyWorld):
    """The same with a real store, whose owner is the set."""

    def __init__(self) -> None:
        super().__init__((1, 1, 1))
        keys = [key(n) for n in range(3)]
        settings = (self.set, GUARDIAN, 60, 2 * DAY, 600, 0)
        self.store = self.evm.create(contracts.load("PriceStore"), settings, [(10, 500, 600)], keys, [1] * 3, 2, 2)
        self.evm.ok(self.set, "connect", self.penalties, self.store)
        register = keccak(text="register(bytes32,bool,bool,uint8)")[:4]
        feed = b"weETH/ETH".ljust(32, b"\0")
        self.evm.ok(self.set, "act", register + encode(["bytes32", "bool", "bool", "uint8"], [feed, True, True, 0]))

    def push(self, who: tuple[int, ...], market: int = WAD) -> str:
        self.evm.jump(10)
        items = Item(0, market=market).packed()
        domain = Domain(chain_id=1, store=bytes.fromhex(self.store[2:]))
        digest = batch_digest(domain, 1, self.evm.now, items)
        signed = b"".join(bytes([n]) + signature(n, digest) for n in who)
        return self.evm.call(self.store, "push", batch_bytes(1, self.evm.now, items), signed, sender=STRANGER)[0]


def test_an_exit_that_is_kept_ripe_opens_no_way_out(world: PenaltyWorld) -> None:
    """Stake is bound until the last word can be proven, so a lie of the last second still finds all of it."""
    leave = world.sources[0], "leave"
    world.evm.jump(ANSWER_S)
    a, b = world.words(Lie(keys=(0, 0), round_s=world.evm.now))
    assert world.evm.call(*leave, sender=operator(0))[0] != ""
    case_id = world.ok("prove", a, b, 0)[1]
    assert world.events("Seized")[0][1][1:3] == (LEAST, 32 * LEAST)
    world.carry_out(case_id)
    assert world.stake(0) == 32 * (WAD - LEAST)


def test_who_never_bonded_is_proven_all_the_same() -> None:
    """Weight in a frozen set suffices: the operator is recorded, jailed and removed, and every source is told."""
    world = PenaltyWorld(stake=0, sources=2)
    case_id = world.lied(1)
    assert len(world.events("SourceFailed")) == 2
    assert world.outcome(case_id) == DISPUTED
    assert world.jailed_until(1) == world.evm.now + JAIL_S
    assert world.is_removed(1)
    assert world.record(1, 1) == (1, 0, 1)


def test_a_give_back_ends_nothing_for_what_is_said_later(world: PenaltyWorld) -> None:
    case_id = world.lied(0)
    world.give_back(case_id)
    later = world.lied(0, round_s=world.evm.now + 9)
    assert later != case_id
    assert world.stake(0) == 32 * (WAD - LEAST)
    world.ok("giveBack", later, sender=ARBITER)


def test_a_proven_operator_s_signature_is_worth_nothing_from_the_proof_on() -> None:
    """In the store, in the same transaction: it waits for no rotation."""
    world = StoreWorld()
    assert world.push((0, 1)) == ""
    world.lied(0)
    assert world.push((0, 1)) != ""
    assert world.push((1, 2)) == ""
    assert list(world.evm.ok(world.store, "signerSet")[3]) == [0, 1, 1]


def test_a_removal_that_would_silence_the_store_stops_no_proof() -> None:
    """The second of three liars cannot be cut, for less than T would be left; it is jailed and loses by both."""
    world = StoreWorld()
    world.lied(0)
    second = world.lied(1)
    assert len(world.events("NotRemoved")) == 1
    assert world.fraction(second) > LEAST
    assert world.jailed_until(1) > world.evm.now
    assert list(world.evm.ok(world.store, "signerSet")[3]) == [0, 1, 1]


def test_the_epoch_of_a_lie_is_no_free_choice(world: PenaltyWorld) -> None:
    """A word for an epoch without weight contradicts one with, and nothing else; the case is of the epoch with weight."""
    for kind in (0, SEALED):
        both = Lie(keys=(0, 0), epochs=(777, 777), kinds=(kind, kind))
        assert world.refused("prove", *world.words(both), 0) == "NoWeight"
    world.evm.jump(ANSWER_S + 1)
    world.freeze(2)
    old = Lie(keys=(0, 0), epochs=(1, 777))
    assert world.refused("prove", *world.words(old), 0) == "TooLate", "its own epoch is over, whatever the other says"
    case_id = world.prove(Lie(keys=(0, 0), epochs=(2, 777)))
    assert world.case(case_id)[1] == 2


def test_a_key_that_was_replaced_speaks_for_its_operator(world: PenaltyWorld) -> None:
    """What a new machine says under a new key contradicts what the old one said under the old key."""
    world.evm.jump(DAY)
    world.evm.ok(world.book, "set", operator(0), key(7))
    world.freeze(2, keys={0: 7})
    case_id = world.prove(Lie(keys=(0, 7), epochs=(1, 2)))
    assert world.case(case_id)[:2] == (operator(0), 2)
    assert world.stake(0) == 32 * (WAD - LEAST)
