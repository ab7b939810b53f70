"""Which key speaks for an operator: laws of docs/invariants.md, each under its name there."""

from __future__ import annotations

import pyrevm
import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

import contracts
from tests.contracts.evm_process import OWNER, STRANGER, Evm
from tests.contracts.mirror import machine
from tests.contracts.stake.stake_world import PENALTIES, REWARDS, ZERO, StakeWorld, address, operator, spare_key

ANNA, BEN = operator(1), operator(2)
KEY, OTHER = spare_key(900), spare_key(901)


@pytest.fixture
def world() -> StakeWorld:
    return StakeWorld()


def set_key(world: StakeWorld, consent: tuple[object, ...], sender: str = ANNA) -> str:
    return world.evm.call(world.book, "setKey", consent, sender=sender)[0]


def test_nobody_takes_another_s_key(world: StakeWorld) -> None:
    """Not by its consent for somebody else, not by one that it did not sign, not first and not later."""
    consent = world.consent(ANNA, KEY)
    assert set_key(world, consent, BEN) == "NoConsent"
    assert set_key(world, (*consent[:3], consent[4], consent[3])) == "NoConsent"
    assert set_key(world, (address(OTHER), *consent[1:])) == "NoConsent"
    assert set_key(world, consent) == ""
    assert world.evm.ok(world.book, "operatorOf", address(KEY)) == ANNA
    assert set_key(world, world.consent(BEN, KEY), BEN) == "KeyIsTaken"
    assert set_key(world, (ZERO, 1, 2**64 - 1, b"\0" * 32, b"\0" * 32)) == "ZeroAddress"


def test_a_key_is_used_once(world: StakeWorld) -> None:
    """Also by its own operator: which key was whose never changes, and one that was replaced never comes back."""
    for key in (KEY, OTHER):
        assert set_key(world, world.consent(ANNA, key)) == ""
        assert world.evm.ok(world.book, "keyOf", ANNA) == address(key)
    assert set_key(world, world.consent(ANNA, KEY)) == "KeyIsTaken"
    assert set_key(world, world.consent(ANNA, OTHER)) == "KeyIsTaken"
    assert [world.evm.ok(world.book, "operatorOf", address(k)) for k in (KEY, OTHER)] == [ANNA, ANNA]


def test_a_consent_is_for_the_next_nonce_and_ends(world: StakeWorld) -> None:
    old = world.consent(ANNA, KEY)
    assert set_key(world, world.consent(ANNA, KEY, nonce=1)) == "WrongNonce"
    assert set_key(world, world.consent(ANNA, KEY, expiry=world.evm.now - 1)) == "ConsentIsOver"
    assert set_key(world, world.consent(ANNA, OTHER, expiry=world.evm.now)) == ""
    assert world.evm.ok(world.book, "nonceOf", ANNA) == 1
    assert set_key(world, old) == "WrongNonce", "one that was never used cannot be used any more"


def test_a_source_sets_a_key_for_whom_it_vouches_for_and_nobody_else_does(world: StakeWorld) -> None:
    consent = world.consent(ANNA, KEY)
    for who in (OWNER, STRANGER, BEN, PENALTIES):
        assert world.evm.call(world.book, "setKeyFor", ANNA, consent, sender=who)[0] == "NotAllowed"
    assert world.evm.call(world.sources[0], "setKeyFor", world.book, ZERO, consent)[0] == "ZeroAddress"
    world.evm.ok(world.sources[0], "setKeyFor", world.book, ANNA, consent)
    assert world.evm.ok(world.book, "keyOf", ANNA) == address(KEY)


def test_only_the_penalties_retire_a_key(world: StakeWorld) -> None:
    """It stays its operator's; and one that was replaced already takes the next one with it no more."""
    assert set_key(world, world.consent(ANNA, KEY)) == ""
    for who in (OWNER, STRANGER, ANNA, REWARDS):
        assert world.evm.call(world.book, "retire", address(KEY), sender=who)[0] == "NotAllowed"
    world.evm.ok(world.book, "retire", address(KEY), sender=PENALTIES)
    assert world.evm.ok(world.book, "keyOf", ANNA) == ZERO
    assert world.evm.ok(world.book, "operatorOf", address(KEY)) == ANNA
    assert set_key(world, world.consent(ANNA, KEY)) == "KeyIsTaken"
    assert set_key(world, world.consent(ANNA, OTHER)) == ""
    for key in (KEY, spare_key(902)):
        world.evm.ok(world.book, "retire", address(key), sender=PENALTIES)
    assert world.evm.ok(world.book, "keyOf", ANNA) == address(OTHER)


def test_before_the_book_knows_the_set_no_source_is_one(world: StakeWorld) -> None:
    book = world.evm.create(contracts.load("KeyBook"), OWNER)
    consent = world.consent(ANNA, KEY)
    assert world.evm.call(world.sources[0], "setKeyFor", book, ANNA, consent)[0] == "NotAllowed"
    assert world.evm.call(book, "connect", world.set, PENALTIES, REWARDS, sender=STRANGER)[0] == "NotAllowed"
    assert world.evm.call(world.book, "connect", world.set, PENALTIES, REWARDS)[0] == "BadConnection"


def typed_digest(book: str, who: str, nonce: int, expiry: int, chain_id: int = 1) -> bytes:
    """By eth_account's general encoder."""
    kinds = {
        "EIP712Domain": {
            "name": "string",
            "version": "string",
            "chainId": "uint256",
            "verifyingContract": "address",
        },
        "Consent": {"operator": "address", "nonce": "uint64", "expiry": "uint64"},
    }
    message = encode_typed_data(
        full_message={
            "types": {k: [{"name": n, "type": t} for n, t in v.items()] for k, v in kinds.items()},
            "primaryType": "Consent",
            "domain": {"name": "lrt-oracle keys", "version": "1", "chainId": chain_id, "verifyingContract": book},
            "message": {"operator": who, "nonce": nonce, "expiry": expiry},
        }
    )
    return keccak(b"\x19\x01" + message.header + message.body)


def test_a_consent_is_for_one_book(world: StakeWorld) -> None:
    other = world.evm.create(contracts.load("KeyBook"), OWNER)
    for book in (world.book, other):
        assert world.evm.ok(book, "consentDigest", ANNA, 7, 12345) == typed_digest(book, ANNA, 7, 12345)


def test_a_consent_is_for_one_chain(world: StakeWorld) -> None:
    """A book whose chain forks asks for consents of the chain that it finds itself on."""
    fork = Evm()
    fork.evm = machine(chain_id=5)
    fork.evm.insert_account_info(world.book, pyrevm.AccountInfo(code=world.evm.evm.get_code(world.book)))
    fork.abis = world.evm.abis
    assert fork.ok(world.book, "consentDigest", ANNA, 7, 12345) == typed_digest(world.book, ANNA, 7, 12345, chain_id=5)


def test_nobody_is_connected_to_nothing(world: StakeWorld) -> None:
    for missing in range(3):
        book = world.evm.create(contracts.load("KeyBook"), OWNER)
        told = [ZERO if i == missing else known for i, known in enumerate((world.set, PENALTIES, REWARDS))]
        assert world.evm.call(book, "connect", *told)[0] == "BadConnection"
