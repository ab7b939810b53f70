"""Our own side of the gas benchmark: pushes in steady state, and a cold read of every view."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import contracts
from demo.bench.gas_tools import (
    STEP_S,
    BenchChain,
    BenchError,
    PushGas,
    ReadGas,
    address_text,
    keys,
    push_floor,
)
from demo.world.chain import ZERO_ADDRESS
from demo.world.npm import NpmArtifact
from feeds.chains.abi import address
from feeds.units import Bps, Wad
from oracle.deploy.views import feed_id
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.wire import encode_item
from oracle.sign.eip712 import Domain, address_of, batch_bytes, batch_digest, sign_compact

OURS = "lrt-oracle"
TOKENS = (1, 5, 10, 20, 50)
SIGNERS = (1, 3, 5, 7, 13)
_CHAIN_ID = 31_337
_LIMITS = (1, 500, 600)
"""min_gap_s, step_bps, step_wait_s: the pushes are near enough and late enough to pass all limits."""
_MAX_AGE_S = 3_600
_LOWER, _MARKET, _RAMPED = 2, 0, 4
_BASE, _QUOTE = (address_text(i.to_bytes(20, "big")) for i in (0xB1, 840))


class BenchStore:
    """A PriceStore with T0/ETH, T1/ETH and so on, signed for by k of 2k - 1 operators of weight 1."""

    def __init__(self, ground: BenchChain, contract: Any, signers: int) -> None:
        self._ground = ground
        self._contract = contract
        self._keys = keys(signers)
        self._pushes = 0

    @classmethod
    async def create(cls, ground: BenchChain, artifact: NpmArtifact, *, tokens: int, signers: int) -> BenchStore:
        """Deploy one, register tokens, and write each once."""
        everyone = [address_text(address_of(key)) for key in keys(2 * signers - 1)]
        roles = (ground.payer, ground.payer, _MAX_AGE_S, 0, 0, 0)
        weights = [1] * len(everyone)
        contract = await ground.create(artifact, roles, [_LIMITS], everyone, weights, signers, len(everyone))
        for i in range(tokens):
            await ground.send(contract.address, encoded(contract, "register", feed_id(f"T{i}/ETH"), True, True, 0))  # noqa: FBT003 - Solidity has no names
        store = cls(ground, contract, signers)
        await store.push(tokens)
        return store

    @property
    def contract(self) -> Any:
        """The store as a web3 contract."""
        return self._contract

    async def push(self, tokens: int) -> tuple[int, bytes]:
        """Gas and calldata of a push of the first tokens; BenchError unless the last of them is on chain afterwards."""
        self._pushes += 1
        round_s = self._ground.now_s + STEP_S
        items = [encode_item(i, _report(self._pushes, round_s)) for i in range(tokens)]
        body = b"".join(items)
        domain = Domain(chain_id=_CHAIN_ID, store=address(self._contract.address))
        digest = batch_digest(domain, 1, round_s, body)
        signatures = b"".join(bytes([i]) + sign_compact(key, digest) for i, key in enumerate(self._keys))
        data = encoded(self._contract, "push", batch_bytes(1, round_s, body), signatures)
        gas = await self._ground.send(self._contract.address, data)
        held = await self._ground.ask(self._contract.address, encoded(self._contract, "slotAt", tokens - 1))
        if held != items[-1][2:] + round_s.to_bytes(4, "big"):
            raise BenchError(f"the store does not hold what was pushed for token {tokens - 1}")
        return gas, data


def artifact(name: str) -> NpmArtifact:
    """One of the project's contracts as this package deploys it."""
    contract = contracts.load(name)
    return NpmArtifact(contract.abi, "0x" + contract.bytecode.hex())


def encoded(contract: Any, function: str, *args: Any) -> bytes:
    """Calldata of a contract's function."""
    return bytes.fromhex(contract.encode_abi(function, args=list(args)).removeprefix("0x"))


async def pushes(ground: BenchChain, tokens: Sequence[int], signers: Sequence[int]) -> AsyncIterator[PushGas]:
    """Rows of every size with every number of signers."""
    for count in signers:
        store = await BenchStore.create(ground, artifact("PriceStore"), tokens=max(tokens), signers=count)
        for size in tokens:
            gas, data = await store.push(size)
            floor = push_floor(data, signatures=count, slots=size)
            yield PushGas(system=OURS, tokens=size, signers=count, prices=2, gas=gas, calldata=len(data), floor=floor)


async def reads(ground: BenchChain) -> AsyncIterator[ReadGas]:
    """Rows of the store and of every view over it."""
    snapshot_s = ground.now_s
    store = await BenchStore.create(ground, artifact("PriceStore"), tokens=2, signers=1)
    ground.now_s += 8 * 86_400  # a capped view wants a snapshot that is a week old
    await store.push(2)
    made = store.contract
    for name, args in (("latestAt", [0]), ("slotAt", [0]), ("latest", [feed_id("T0/ETH")])):
        label = f"PriceStore.{name}({'id' if name == 'latest' else 'index'})"
        yield await ground.cold(OURS, label, made.address, encoded(made, name, *args))
    yield await ground.cold(OURS, "PriceStore, two bytes and no selector", made.address, bytes(2))
    views = await _views(ground, made.address, snapshot_s)
    await ground.wait()
    for view, contract, function, *args in views:
        yield await ground.cold(OURS, f"{view}.{function}", contract.address, encoded(contract, function, *args))


async def _views(ground: BenchChain, store: str, snapshot_s: int) -> list[tuple[Any, ...]]:
    """What a consumer calls of each view: label, contract, function, arguments. No strict one looks at a sequencer."""

    async def create(name: str, *args: Any) -> Any:
        return await ground.create(artifact(name), *args)

    first, second, latest = feed_id("T0/ETH"), feed_id("T1/ETH"), "latestRoundData"
    feed = await create("FeedView", store, first, _LOWER, 18, 3_600)
    other = await create("FeedView", store, second, _MARKET, 8, 3_600)
    pair = (feed.address, _MAX_AGE_S, _BASE, 18, _QUOTE, 6)
    strict = await create("StrictFeedView", feed.address, _MAX_AGE_S, ZERO_ADDRESS, 0)
    quote = await create("QuoteView", *pair)
    id_ = b"\1" * 32
    pyth = await create("PythView", [id_], [feed.address])
    both = (feed.address, other.address)
    return [
        *(("FeedView", feed, name) for name in (latest, "latestAnswer", "getRate", "readWithAge", "peek")),
        ("CrossView", await create("CrossView", *both, 8), latest),
        (
            "CappedFeedView",
            await create("CappedFeedView", store, first, 18, 3_600, 106 * 10**16, snapshot_s, 1_000),
            latest,
        ),
        ("ModeView (lower)", await create("ModeView", *both, _LOWER, 0, 18), latest),
        ("ModeView (unless depeg)", await create("ModeView", *both, _RAMPED, 3_600, 18), latest),
        ("StrictFeedView", strict, latest),
        ("StrictFeedView", strict, "latestAnswer"),
        ("QuoteView", quote, "getQuote", 10**18, _BASE, _QUOTE),
        ("QuoteView", quote, "getQuotes", 10**18, _BASE, _QUOTE),
        ("SiloView", await create("SiloView", *pair), "quote", 10**18, _BASE),
        ("MorphoView", await create("MorphoView", feed.address, _MAX_AGE_S, 18, 6), "price"),
        ("DiaView", await create("DiaView", ["T0/ETH"], [feed.address]), "getValue", "T0/ETH"),
        ("PythView", pyth, "getPriceUnsafe", id_),
        ("PythView", pyth, "getPriceNoOlderThan", id_, _MAX_AGE_S),
    ]


def _report(number: int, round_s: int) -> Report:
    return Report(
        market_wad=Wad(1_050_000_000_000_000_000 + number * 7_919_191),
        redemption_wad=Wad(1_060_000_000_000_000_000 + number * 104_729),
        spread_bps=Bps(7 + number),
        status=Status.OK,
        why=Why.NONE,
        round_time_s=round_s,
        market_age_s=3,
        redemption_age_h=7,
    )
