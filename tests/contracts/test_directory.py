"""OperatorDirectory: announcements that a report key has signed, whoever submits them, the newest of each key.

`solidity/ArbSysStandIn.sol` answers as Arbitrum's own contract does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from web3 import Web3
from web3.logs import DISCARD

import contracts
from demo.world import anvil
from oracle.sign.announcement import (
    MOST_PURSES,
    MOST_URLS,
    Announcement,
    Purse,
    announcement_preimage,
    read_announcement,
    signed_announcement,
)
from oracle.sign.eip712 import Domain, address_of
from tests.contracts.contract_tools import Bench, compiled, connected
from tests.contracts.evm_process import KEYS, STRANGER, Evm, signature

SUBMITTER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
STORE, OTHER_STORE = b"\x11" * 20, b"\x22" * 20
SAID = Announcement(
    counter=1_900_000_000_000, network_key=b"\x33" * 20, urls=("wss://a.example:7100",), certificate=b"\x44" * 32
)
LONGEST = Announcement(
    counter=2**64 - 1,
    network_key=b"\x33" * 20,
    urls=tuple(f"wss://{i}.example/".ljust(255, "x") for i in range(MOST_URLS)),
    certificate=b"\x44" * 32,
    versions=tuple(range(1, 17)),
    purses=tuple(
        Purse(domain=Domain(chain_id=2**64 - 1, store=bytes([i]) * 20), gas_key=b"\x55" * 20)
        for i in range(MOST_PURSES)
    ),
)


def domain(store: bytes = STORE, chain_id: int = 1) -> Domain:
    return Domain(chain_id=chain_id, store=store)


def raw(key: int, said: Announcement = SAID, of: Domain | None = None) -> bytes:
    """An announcement as it is submitted."""
    preimage = announcement_preimage(of or domain(), said)
    return signed_announcement(who(key), said, signature(key, keccak(preimage))).raw


def who(key: int) -> bytes:
    return address_of(KEYS[key])


def text(address: bytes) -> str:
    return "0x" + address.hex()


class Directory:
    """A directory on an EVM in this process."""

    def __init__(self) -> None:
        self.evm = Evm()
        self.at = self.evm.create(contracts.load("OperatorDirectory"))

    def announce(self, announcement: bytes, store: bytes = STORE, sender: str = STRANGER) -> str:
        return self.evm.call(self.at, "announce", text(store), announcement, sender=sender)[0]

    def counters(self, *keys: int, store: bytes = STORE) -> list[int]:
        return [c for c, _ in self.evm.ok(self.at, "announcedBy", text(store), [text(who(k)) for k in keys])]


@pytest.fixture
def directory() -> Directory:
    return Directory()


def test_anybody_submits_what_a_key_has_said(directory: Directory) -> None:
    """The key that signed is who announces; the bytes of the event are those that Python reads."""
    assert directory.evm.ok(directory.at, "announce", text(STORE), raw(0), sender=STRANGER) == text(who(0))
    (log,) = directory.evm.evm.result.logs
    assert [t.removeprefix("0x")[-40:] for t in log.topics[1:]] == [STORE.hex(), who(0).hex()]
    data = bytes(log.data[1])
    assert int.from_bytes(data[:32], "big") == SAID.counter
    told = data[96 : 96 + int.from_bytes(data[64:96], "big")]
    read = read_announcement(domain(), told)
    assert (read.address, read.said, told) == (who(0), SAID, raw(0))
    assert directory.evm.ok(directory.at, "announced", text(STORE), text(who(0))) == (SAID.counter, 1)


def test_counters_only_rise(directory: Directory) -> None:
    counters = [5, 5, 4, 0, 6, 5, 2**64 - 1, 2**64 - 1]
    highest, seen = 0, []
    for counter in counters:
        error = directory.announce(raw(0, replace(SAID, counter=counter)))
        assert error == ("" if counter > highest else "OldCounter")
        highest = max(highest, counter)
        seen.append(*directory.counters(0))
    assert seen == [5, 5, 5, 5, 6, 6, 2**64 - 1, 2**64 - 1]


def test_nobody_announces_for_another(directory: Directory) -> None:
    """Another store's, another chain's, another counter's or body's: it is some other key's word, never this one's."""
    first = raw(0, replace(SAID, counter=1))
    assert not directory.announce(first)
    newer = raw(0)
    for elsewhere in (
        raw(0, of=domain(OTHER_STORE)),
        raw(0, of=domain(chain_id=2)),
        newer[:7] + bytes([newer[7] ^ 1]) + newer[8:],
        newer[:20] + bytes([newer[20] ^ 1]) + newer[21:],
        raw(1)[:-64] + newer[-64:-1] + bytes([newer[-1] ^ 1]),
    ):
        assert directory.announce(elsewhere) in {"", "NoSigner"}
        assert directory.counters(0) == [1]
    assert not directory.announce(newer)
    assert directory.counters(0, 1, 0) == [SAID.counter, 0, SAID.counter]
    assert directory.counters(0, store=OTHER_STORE) == [0]


def test_each_key_and_each_store_has_a_place_of_its_own(directory: Directory) -> None:
    for key in (0, 1, 2):
        for store in (STORE, OTHER_STORE):
            said = replace(SAID, counter=key * 10 + (store == STORE) + 1)
            assert not directory.announce(raw(key, said, domain(store)), store)
    assert directory.counters(2, 0, 5, 1) == [22, 2, 0, 12]
    assert directory.counters(2, 0, 5, 1, store=OTHER_STORE) == [21, 1, 0, 11]


def test_what_is_too_short_or_too_long_is_refused(directory: Directory) -> None:
    for length in (0, 1, 71, 72, 2_049, 5_000):
        assert directory.announce(b"\1" * length) == "WrongLength"
    assert directory.announce(raw(0)[:-64] + bytes(64)) == "NoSigner"
    assert directory.announce(raw(0)[:-64] + b"\xff" * 64) == "NoSigner"
    assert directory.counters(0) == [0]


def test_the_longest_announcement_fits(directory: Directory) -> None:
    longest = raw(0, LONGEST)
    assert len(longest) > 1_100
    assert not directory.announce(longest)
    assert directory.counters(0) == [2**64 - 1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_bytes_move_the_place_of_a_key_that_did_not_sign_them(seed: int) -> None:
    """Cut, joined and bent bytes of a key's own announcements, at its store and at another."""
    rng, directory = random.Random(seed), Directory()
    true = {raw(0, replace(SAID, counter=c)): c for c in (3, 7, 9)}
    highest = 0
    for _ in range(20):
        told = bytearray(rng.choice([*true]))
        for _ in range(rng.randrange(3)):
            told[rng.randrange(len(told))] ^= 1 << rng.randrange(8)
        told = told[: rng.choice((len(told), len(told), rng.randrange(len(told))))]
        directory.announce(bytes(told), rng.choice((STORE, STORE, OTHER_STORE)))
        assert directory.counters(0)[0] in {highest, max(highest, true.get(bytes(told), 0))}
        highest = directory.counters(0)[0]
    assert directory.counters(0, store=OTHER_STORE) == [0]


# --------------------------------------------------------------------------------------------------------- on a node


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with anvil.running(extra=("--timestamp", "1999000000")) as running, connected(running.url) as web3:
        yield Bench(web3)


def on_node(bench: Bench) -> tuple[Any, Domain]:
    made = bench.create("OperatorDirectory")
    return made, Domain(chain_id=bench.web3.eth.chain_id, store=bytes.fromhex(bench.store.address[2:]))


@pytest.mark.chain
def test_a_place_is_one_slot_and_names_the_one_block_with_the_text(bench: Bench) -> None:
    made, of = on_node(bench)
    bench.ask("anvil_mine", hex(7))
    receipt = bench.send(made.functions.announce(bench.store.address, raw(0, of=of)), SUBMITTER)
    signer = Web3.to_checksum_address(text(who(0)))
    assert made.functions.announced(bench.store.address, signer).call() == [SAID.counter, receipt["blockNumber"]]
    inner = keccak(bytes.fromhex(bench.store.address[2:]).rjust(32, b"\0") + bytes(32))
    place = keccak(who(0).rjust(32, b"\0") + inner)
    word = int.from_bytes(bench.web3.eth.get_storage_at(made.address, int.from_bytes(place, "big")), "big")
    assert word == receipt["blockNumber"] << 64 | SAID.counter
    (log,) = made.events.Announced().process_receipt(receipt, errors=DISCARD)
    assert log["args"]["announcement"] == raw(0, of=of)
    call = made.functions.announce(bench.store.address, raw(0, of=of))
    assert bench.refusal(call) == ("OldCounter", text(who(0)), SAID.counter, SAID.counter)
    assert bench.refusal(made.functions.announce(bench.store.address, b"\1" * 72)) == ("WrongLength", 72)


@pytest.mark.chain
def test_on_arbitrum_the_block_is_the_one_that_its_nodes_know(bench: Bench) -> None:
    """Where the chain's own contract is at address 100, it says the number; elsewhere `block.number` is it."""
    made, of = on_node(bench)
    system = bench.deploy(compiled("tests/contracts/solidity/ArbSysStandIn.sol")["ArbSysStandIn"])
    code = bench.web3.eth.get_code(system.address)
    bench.ask("anvil_setCode", f"0x{100:040x}", code.hex() if code.hex().startswith("0x") else "0x" + code.hex())
    bench.send(made.functions.announce(bench.store.address, raw(1, of=of)))
    signer = Web3.to_checksum_address(text(who(1)))
    assert made.functions.announced(bench.store.address, signer).call() == [SAID.counter, 271_828_182]
    bench.ask("anvil_setCode", f"0x{100:040x}", "0x")
