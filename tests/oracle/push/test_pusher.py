"""The pusher against a real store: a stuck transaction is replaced and only one of the two lands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import coincurve
import orjson
import pytest
from aiohttp import web
from web3 import AsyncHTTPProvider, AsyncWeb3

from demo.world import anvil
from demo.world.chain import account
from demo.world.front_node import FrontNode
from feeds.units import Bps, Wad
from oracle.chain.multicall_push import push_data
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreClient, StoreRefuses
from oracle.chain.transaction import Fees, SignedTx
from oracle.deploy.deployer import Deployer
from oracle.deploy.store_settings import StoreSettings
from oracle.model.publication import PushRow, PushState
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.push.sending.pusher import Pusher
from oracle.push.settings import PushRules
from oracle.report.wire import encode_item
from oracle.sign.eip712 import Domain, address_of, batch_digest, sign_compact
from oracle.sign.keyfiles import LocalSigner
from oracle.sign.messages import SignedBatch
from oracle.storage.database import Database

pytestmark = pytest.mark.chain
KEY = coincurve.PrivateKey(b"\7" * 32)
GAS_KEY = coincurve.PrivateKey(bytes(account(2).key))


@dataclass
class Rig:
    client: StoreClient
    database: Database
    pusher: Pusher
    domain: Domain
    web3: AsyncWeb3
    clock_ms: int
    landed: list[int]

    async def rpc(self, method: str, *params: object) -> object:
        return await self.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]

    async def mine_past(self, blocks: int) -> None:
        """Blocks whose base fee no waiting push can pay."""
        for _ in range(blocks):
            await self.rpc("anvil_setNextBlockBaseFeePerGas", hex(200 * 10**9))
            await self.rpc("evm_mine")

    async def until_landed(self, mine: bool = False) -> None:
        """Poll until the newest push has landed: a node answers before a transaction is in a block, or even in its pool."""
        async with asyncio.timeout(60):
            while max(self.database.pushes("t"), key=lambda row: row.id).state != PushState.LANDED:
                if mine:
                    await self.rpc("evm_mine")
                await self.pusher.poll()
                await asyncio.sleep(0.02)

    def journalled(self, batch: SignedBatch, signed: SignedTx) -> PushRow:
        row = PushRow(
            id=0, target="t", chain_id=self.domain.chain_id, round_s=batch.round_time_s, items=batch.items,
            nonce=signed.nonce, tx_hash=signed.tx_hash, raw=signed.raw, state=PushState.PREPARED, made_ms=self.clock_ms,
        )  # fmt: skip
        return self.database.add_push(row)

    def batch(self, round_s: int, price: int = 10**18) -> SignedBatch:
        report = Report(
            market_wad=Wad(price),
            redemption_wad=Wad(10**18),
            spread_bps=Bps(1),
            status=Status.OK,
            why=Why.NONE,
            round_time_s=round_s,
            market_age_s=0,
            redemption_age_h=0,
        )
        items = encode_item(0, report)
        signature = bytes([0]) + sign_compact(KEY, batch_digest(self.domain, 1, round_s, items))
        return SignedBatch(
            domain=self.domain,
            epoch=1,
            round_time_s=round_s,
            items=items,
            signatures=signature,
            signers=("a",),
            addresses=(address_of(KEY),),
        )


@pytest.fixture
def own_node() -> Iterator[anvil.Anvil]:
    with anvil.running() as node:
        yield node


@pytest.fixture
async def rig(own_node: anvil.Anvil, tmp_path: Path) -> AsyncIterator[Rig]:
    deployer = Deployer(own_node.url, coincurve.PrivateKey(bytes(account(0).key)))
    settings = StoreSettings(signers=(address_of(KEY),), weights=(1,), threshold=1, max_push_age_s=60)
    made = await deployer.deploy(settings, [])
    await deployer.register(made.store, "weETH/ETH", market=True, redemption=True)
    domain = Domain(chain_id=made.chain_id, store=bytes.fromhex(made.store[2:]))
    client = StoreClient([own_node.url], domain, LocalSigner(GAS_KEY), max_fee_gwei=500)
    database = Database(tmp_path / "o.db")
    landed: list[int] = []
    now_s = (await client.head()).time_s
    web3 = AsyncWeb3(AsyncHTTPProvider(own_node.url))
    made_rig = Rig(client, database, None, domain, web3, now_s * 1_000, landed)  # type: ignore[arg-type]
    rules = PushRules(max_push_age_s=60, bump_after_s=5, confirmations=2)
    made_rig.pusher = Pusher(
        "t", client, database, rules, now_ms=lambda: made_rig.clock_ms, on_landed=lambda r: landed.append(r.round_s)
    )
    await made_rig.pusher.start({"weETH/ETH": 0})
    yield made_rig
    await client.close()
    await web3.provider.disconnect()
    await deployer.close()
    database.close()


async def test_a_stuck_push_is_replaced_and_lands_once(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    await rig.rpc("evm_setAutomine", False)
    first = await rig.pusher.submit(rig.batch(round_s))
    assert first is not None
    assert await rig.pusher.submit(rig.batch(round_s + 1)) is None, "one nonce at a time"
    await rig.pusher.poll()
    await rig.mine_past(2)
    rig.clock_ms += 6_000
    await rig.pusher.poll()
    rows = rig.database.pushes("t")
    assert [r.nonce for r in rows] == [first.nonce] * 2
    assert rows[0].items == rows[1].items
    low, high = Fees.of(rows[0].raw), Fees.of(rows[1].raw)
    assert high.tip_wei * 10 >= low.tip_wei * 11
    assert high.max_wei * 10 >= low.max_wei * 11
    await rig.rpc("anvil_setNextBlockBaseFeePerGas", "0x1")
    await rig.rpc("evm_mine")
    await rig.pusher.poll()
    assert sorted(r.state for r in rig.database.pushes("t")) == ["landed", "replaced"]
    assert rig.landed == [round_s]
    assert rig.pusher.stored[0].round_time_s == round_s


async def test_while_the_chain_stands_still_nothing_more_is_offered(rig: Rig) -> None:
    """No block left the push out, so its fee is not what it waits for; a node that lost it gets the same bytes."""
    round_s = rig.clock_ms // 1_000
    await rig.rpc("evm_setAutomine", False)
    first = await rig.pusher.submit(rig.batch(round_s))
    assert first is not None
    for _ in range(240):
        rig.clock_ms += 5_000
        await rig.pusher.poll()
    (row,) = rig.database.pushes("t")
    assert (row.state, row.raw) == ("sent", first.raw), "20 minutes without a block"
    await rig.rpc("anvil_dropAllTransactions")
    rig.clock_ms += 6_000
    await rig.pusher.poll()
    await rig.until_landed(mine=True)
    assert [r.state for r in rig.database.pushes("t")] == ["landed"]


async def test_one_block_is_not_enough_to_raise_the_fee_and_time_alone_neither(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    await rig.rpc("evm_setAutomine", False)
    await rig.pusher.submit(rig.batch(round_s))
    await rig.pusher.poll()
    await rig.mine_past(1)
    rig.clock_ms += 6_000
    await rig.pusher.poll()
    assert len(rig.database.pushes("t")) == 1, "the first block may have been made before the push came"
    await rig.mine_past(1)
    await rig.pusher.poll()
    assert len(rig.database.pushes("t")) == 2, "two blocks and the time"
    await rig.pusher.poll()
    await rig.mine_past(2)
    await rig.pusher.poll()
    assert len(rig.database.pushes("t")) == 2, "two blocks, but not yet the time"


@pytest.mark.parametrize(("age_s", "rows"), [(40, 2), (48, 2), (49, 1), (60, 1)])
async def test_what_no_block_would_take_in_time_any_more_is_not_made_anew(rig: Rig, age_s: int, rows: int) -> None:
    """Blocks twelve seconds apart, reports that count for sixty."""
    round_s = rig.clock_ms // 1_000
    await rig.rpc("evm_setAutomine", False)
    await rig.pusher.submit(rig.batch(round_s))
    await rig.pusher.poll()
    for k in (1, 2):
        await rig.rpc("evm_setNextBlockTimestamp", round_s + 12 * k)
        await rig.mine_past(1)
    rig.clock_ms += age_s * 1_000
    await rig.pusher.poll()
    assert [r.state for r in rig.database.pushes("t")] == ["sent"] * rows


async def test_a_chain_that_makes_blocks_on_demand_is_pushed_to(rig: Rig) -> None:
    """Its newest block is minutes old: the push goes by the time that its own block will have."""
    head = await rig.pusher.refresh()
    later_s = head.time_s + 300
    rig.clock_ms = later_s * 1_000
    assert (await rig.pusher.refresh()).time_s == later_s, "what decides over ages"
    await rig.rpc("evm_setNextBlockTimestamp", later_s)
    row = await rig.pusher.submit(rig.batch(later_s))
    assert row is not None
    await rig.until_landed()
    assert [r.state for r in rig.database.pushes("t")] == ["landed"]
    with pytest.raises(StoreRefuses, match="TooFarAhead"):
        await rig.pusher.submit(rig.batch(later_s + 40))


class OldNode(FrontNode):
    """An endpoint whose eth_call takes three parameters, and no override of the block; ``refused``: how many had more."""

    refused = 0

    async def _answer(self, request: web.Request) -> web.Response:
        call = orjson.loads(await request.read())
        if call["method"] == "eth_call" and len(call["params"]) > 3:
            self.refused += 1
            error = {"code": -32602, "message": "Incorrect parameters count, expected: 3, actual: 4"}
            return web.json_response({"jsonrpc": "2.0", "id": call["id"], "error": error})
        return web.json_response(await self._forward(call))


async def test_a_node_that_knows_no_override_simulates_in_the_pending_block(rig: Rig, own_node: anvil.Anvil) -> None:
    head = await rig.client.head()
    front = OldNode(own_node.url)
    await front.start()
    client = StoreClient([front.url], rig.domain, LocalSigner(GAS_KEY), max_fee_gwei=500)
    try:
        later_s = head.time_s + 300
        await rig.rpc("evm_setTime", later_s)
        data = push_data(rig.batch(later_s))
        with pytest.raises(StoreRefuses, match="TooFarAhead"):
            await client.prepare(data, 0)
        assert (await client.prepare(data, 0, at_s=later_s)).nonce == 0
        assert front.refused, "it was asked with the override first"
    finally:
        await client.close()
        await front.stop()


async def test_what_was_never_broadcast_ages_with_the_clock(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    signed = await rig.client.prepare(push_data(rig.batch(round_s)), await rig.client.next_nonce())
    rig.journalled(rig.batch(round_s), signed)
    rig.clock_ms += 61_000
    await rig.pusher.start({"weETH/ETH": 0})
    assert [r.state for r in rig.database.pushes("t")] == ["expired"], "the chain stands, the block would be too late"


async def test_a_push_journalled_and_never_sent_is_sent_at_the_next_start(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    signed = await rig.client.prepare(push_data(rig.batch(round_s)), await rig.client.next_nonce())
    rig.journalled(rig.batch(round_s), signed)
    await rig.pusher.start({"weETH/ETH": 0})
    await rig.until_landed()
    assert [r.state for r in rig.database.pushes("t")] == ["landed"]
    held = await rig.client.stored(0)
    assert held is not None
    assert held.round_time_s == round_s


async def test_a_journalled_push_that_is_too_old_is_given_up_and_its_nonce_is_free(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    signed = await rig.client.prepare(push_data(rig.batch(round_s)), await rig.client.next_nonce())
    rig.journalled(rig.batch(round_s), signed)
    await rig.rpc("evm_increaseTime", 120)
    await rig.rpc("evm_mine")
    await rig.pusher.start({"weETH/ETH": 0})
    assert [r.state for r in rig.database.pushes("t")] == ["expired"]
    again = await rig.pusher.submit(rig.batch(round_s + 120))
    assert again is not None
    assert again.nonce == signed.nonce
    await rig.until_landed()
    assert [r.state for r in rig.database.pushes("t")] == ["expired", "landed"]


async def test_what_the_store_would_refuse_is_not_sent(rig: Rig) -> None:
    with pytest.raises(ChainError, match="would fail"):
        await rig.pusher.submit(rig.batch(rig.clock_ms // 1_000 - 100))
    assert rig.database.pushes("t") == []


async def test_an_endpoint_that_is_behind_is_no_reorganisation(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    await rig.pusher.submit(rig.batch(round_s))
    await rig.until_landed()
    assert rig.landed == [round_s]
    receipt = rig.client.receipt

    async def behind(_: str) -> None:
        return None

    rig.client.receipt = behind  # type: ignore[method-assign,assignment]
    await rig.pusher.poll()
    assert [r.state for r in rig.database.pushes("t")] == ["landed"]
    rig.client.receipt = receipt  # type: ignore[method-assign]
    await rig.pusher.poll()
    assert rig.landed == [round_s], "told once"


async def test_a_push_that_a_reorganisation_took_out_is_sent_again_as_the_same_bytes(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    await rig.pusher.submit(rig.batch(round_s))
    await rig.until_landed()
    await rig.rpc("evm_setAutomine", False)
    await rig.rpc("anvil_reorg", 1, [])
    await rig.pusher.poll()
    rows = rig.database.pushes("t")
    assert (len(rows), rows[0].state, rows[0].note) == (1, "sent", None)
    assert rig.pusher.stored == {}, "the store is read anew"
    await rig.until_landed(mine=True)
    assert [(r.state, r.raw) for r in rig.database.pushes("t")] == [("landed", rows[0].raw)]
    assert rig.pusher.stored[0].round_time_s == round_s


async def test_a_nonce_that_a_stranger_took_is_said_and_the_next_push_goes_on(rig: Rig) -> None:
    round_s = rig.clock_ms // 1_000
    await rig.rpc("evm_setAutomine", False)
    await rig.pusher.submit(rig.batch(round_s))
    await rig.rpc("anvil_dropAllTransactions")
    await rig.rpc("anvil_setNonce", rig.client.payer, "0x1")
    for _ in range(2):
        await rig.pusher.poll()
    (row,) = rig.database.pushes("t")
    assert row.state == "replaced"
    assert "does another process use this gas key?" in (row.note or "")
    assert rig.pusher.foreign_nonces == 1
    await rig.rpc("evm_setAutomine", True)
    again = await rig.pusher.submit(rig.batch(round_s + 1))
    assert again is not None
    assert again.nonce == 1
