"""The mirror of the store's checks against the store itself: what it says is what the contract then does."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import coincurve
import pytest

from demo.world import anvil
from demo.world.chain import LocalChain, account
from feeds.units import Bps, Wad
from oracle.chain.multicall_push import push_data
from oracle.chain.store_client import StoreClient, StoreRefuses
from oracle.chain.store_rules import StoreLimits, Write, lands_waiting, open_gap, why_refused, write_of
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import ClassLimits, StoreSettings
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.report.wire import encode_item
from oracle.sign.eip712 import Domain, address_of, batch_digest, sign_compact
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.messages import SignedBatch
from tests.oracle.push.fault_world import KEYS

pytestmark = pytest.mark.chain
STATES = (Status.OK, Status.OK, Status.WATCH, Status.DEPEG, Status.HALT)
MOVES = (0, 1, 30, -30, 499, 500, 501, -500, -501, 900)
REFUSALS = {
    "NothingNew": ("later one", "ends with the gap", "could keep", "paused"), "TooOld": ("old,",), "TooFarAhead": ("ahead,",)
}  # fmt: skip
MET = {
    "NothingNew", "both prices", "one price held", "both held", "kept", "a lower rate of a halt", "inside a gap",
    "a better status waits", "begins to wait", "lands, and the next wait begins", "of its own round", "of its own round, in part",
}  # fmt: skip


def signed(domain: Domain, report: Report, signers: int) -> SignedBatch:
    items = encode_item(0, report)
    digest = batch_digest(domain, 1, report.round_time_s, items)
    keys = list(KEYS.values())[:signers]
    return SignedBatch(
        domain=domain, epoch=1, round_time_s=report.round_time_s, items=items,
        signatures=b"".join(bytes([i]) + sign_compact(k, digest) for i, k in enumerate(keys)),
        signers=("a",) * signers, addresses=tuple(address_of(k) for k in keys),
    )  # fmt: skip


def report(at_s: int, prices: tuple[int, int], status: Status, rng: random.Random) -> Report:
    return Report(
        market_wad=Wad(prices[0]), redemption_wad=Wad(prices[1]), spread_bps=Bps(rng.randrange(9)), status=status,
        why=Why.NONE, round_time_s=at_s, market_age_s=rng.randrange(5), redemption_age_h=rng.randrange(3),
        status_only=status is Status.HALT or rng.random() < 0.05,
    )  # fmt: skip


async def ok(client: StoreClient, tx_hash: str) -> bool:
    while (landed := await client.receipt(tx_hash)) is None:
        pass
    return landed.ok


def once_more(newest: Report, rng: random.Random) -> tuple[Report, bool]:
    """Of the round that landed, by others; and whether by all, as most often."""
    strong, lower = rng.random() < 0.9, Wad(newest.redemption_wad * 9 // 10)
    return newest if rng.random() < 0.4 else replace(newest, status_only=True, redemption_wad=lower), strong


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_the_mirror_says_is_what_the_store_does(seed: int) -> None:
    rng, seen = random.Random(seed), Counter[str]()
    with anvil.running() as node:
        deployer = Deployer(node.url, coincurve.PrivateKey(bytes(account(0).key)))
        settings = StoreSettings(
            signers=tuple(address_of(k) for k in KEYS.values()), weights=(1, 1, 1), threshold=2, step_threshold=3,
            max_push_age_s=60, classes=(ClassLimits(min_gap_s=5, step_bps=500, step_wait_s=30),),
        )  # fmt: skip
        made = await deployer.deploy(settings, [])
        await deployer.register(made.store, "A/B", market=True, redemption=True)
        await deployer.close()
        domain = Domain(chain_id=made.chain_id, store=bytes.fromhex(made.store[2:]))
        client = StoreClient(
            [node.url], domain, LocalSigner(coincurve.PrivateKey(bytes(account(2).key))), max_fee_gwei=500
        )
        async with LocalChain(node.url) as chain:
            now_s, prices = (await client.head()).time_s, (10**18, 10**18)
            newest: Report | None = None
            for turn in range(240):
                now_s += rng.choice((1, 1, 1, 2, 2, 3, 5, 6, 12, 40) if turn % 60 <= 45 else (7, 8, 9))
                await chain.rpc("evm_setNextBlockTimestamp", now_s)
                await chain.rpc("evm_mine")
                falling = turn % 60 > 45  # signed by the threshold alone, each round beyond the step of the one before
                strong = rng.random() < 0.2 and not falling
                stored = await client.stored(0)
                status = rng.choice(STATES)
                if falling and stored is not None:
                    status, prices = Status.DEPEG, (prices[0] * 94 // 100 or 1, stored.redemption_wad)
                elif stored is not None and rng.random() < 0.6:
                    moved = rng.choice(MOVES), rng.choice((0, 0, *MOVES))
                    prices = (
                        stored.market_wad * (10_000 + moved[0]) // 10_000,
                        stored.redemption_wad * (10_000 + moved[1]) // 10_000,
                    )
                first = report(now_s + rng.choice((0,) * 12 + (-3, -61, 29, 32)), prices, status, rng)
                again = not falling and rng.random() < 0.4
                fresh, strong = once_more(newest, rng) if newest is not None and again else (first, strong)
                limits = await limits_of(client, strong=strong)
                refused = why_refused(stored, fresh, block_time_s=now_s, limits=limits)
                data, nonce = push_data(signed(domain, fresh, 3 if strong else 2)), await client.next_nonce()
                if refused is not None:
                    with pytest.raises(StoreRefuses) as said:
                        await client.prepare(data, nonce)
                    assert any(word in refused for word in REFUSALS[said.value.name]), (turn, refused, said.value)
                    seen[said.value.name] += 1
                    continue
                tx = await client.prepare(data, nonce)
                await chain.rpc("evm_setNextBlockTimestamp", now_s + 1)
                await client.broadcast(tx.raw)
                now_s += 1
                assert await ok(client, tx.tx_hash), turn
                newest = fresh
                write, held_words = (
                    write_of(stored, fresh, limits),
                    await client.held_words(0, (await client.head()).number),
                )
                assert await client.stored(0) == write.report, turn
                assert (held_words.market, held_words.redemption) == (write.market, write.redemption), turn
                seen.update(what(stored, fresh, limits, write))
        await client.close()
    assert set(seen) >= MET, seen


def what(stored: Report | None, fresh: Report, limits: StoreLimits, write: Write) -> Iterator[str]:
    """What came of an item, by name, so that the test can tell whether it met everything."""
    held = [h for h in (write.market, write.redemption) if h is not None]
    yield ("both prices", "one price held", "both held")[len(held)]
    if write.begins:
        yield "begins to wait"
    if stored is None:
        return
    if stored.round_time_s == fresh.round_time_s:
        yield "of its own round" + (", in part" if sum(lands_waiting(stored, fresh, limits)) < 2 and held else "")
    if fresh.repeats_prices:
        yield "kept" if write.report.redemption_wad == stored.redemption_wad else "a lower rate of a halt"
    if open_gap(stored, fresh, limits) is not None:
        yield "inside a gap"
    if write.report.status > fresh.status and write.report.why is not Why.OUT_OF_RANGE:
        yield "a better status waits"
    if write.market is not None and write.report.market_wad not in {stored.market_wad, fresh.market_wad}:
        yield "lands, and the next wait begins"


async def limits_of(client: StoreClient, *, strong: bool) -> StoreLimits:
    block = (await client.head()).number
    known = await client.limits(0)
    assert (known.min_gap_s, known.step_bps, known.step_wait_s) == (5, 500, 30)
    assert await client.step_threshold() == 3
    return StoreLimits(
        max_push_age_s=60, min_gap_s=5, step_bps=500, step_wait_s=30, strong=strong,
        paused=await client.paused(0, block), held_words=await client.held_words(0, block),
    )  # fmt: skip
