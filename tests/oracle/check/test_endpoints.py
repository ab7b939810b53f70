"""`lrt-oracle check` asks the relays and the poked views, and opens the keys; each fault beside the same set-up in order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import coincurve
import pytest
import pytest_asyncio
from aiohttp import web
from eth_utils.address import to_checksum_address

import contracts
from demo.world import npm
from demo.world.chain import LocalChain, account
from demo.world.front_node import FrontNode
from oracle.deploy.deployer import Deployer
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from tests.oracle.check.push_site import KEYS, PAID, Site, checked, errors, running_site
from tests.oracle.push.poked_views import put_view

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
NOWHERE = "http://127.0.0.1:1"


class Relay(FrontNode):
    """A private relay: it takes transactions, and tells its chain or what a test says instead."""

    def __init__(self, says: dict[str, Any], status: int = 200) -> None:
        super().__init__(NOWHERE)
        self._says, self._status = says, status

    async def _answer(self, _: web.Request) -> web.Response:
        return web.json_response({"jsonrpc": "2.0", "id": 1, **self._says}, status=self._status)


GOOD: dict[str, Any] = {"result": "0x7a69"}
OTHER: dict[str, Any] = {"result": "0x1"}
REFUSES: dict[str, Any] = {"error": {"code": -32601, "message": "the method eth_chainId does not exist"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running_site(tmp_path_factory.mktemp("able")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def relays() -> AsyncIterator[dict[str, str]]:
    made = {"good": Relay(GOOD), "other": Relay(OTHER), "refuses": Relay(REFUSES), "broken": Relay({}, status=502)}
    for one in made.values():
        await one.start()
    yield {name: one.url for name, one in made.items()} | {"dead": NOWHERE}
    for one in made.values():
        await one.stop()


@pytest.mark.parametrize(
    ("named", "wrong", "noted"),
    [
        (["good"], [], 0),
        (["good", "dead"], ["targets.t.relays[1]"], 0),
        (["broken", "good"], ["targets.t.relays[0]"], 0),
        (["good", "other"], ["targets.t.relays[1]"], 0),
        (["good", "refuses"], [], 1),
        (["refuses"], ["targets.t.relays"], 1),
        (["refuses", "dead"], ["targets.t.relays[1]", "targets.t.relays"], 1),
    ],
)
async def test_a_relay_is_asked_for_its_chain(
    site: Site, relays: dict[str, str], named: list[str], wrong: list[str], noted: int
) -> None:
    table = site.config()
    table["targets"]["t"]["relays"] = [relays[n] for n in named]
    got = await checked(table)
    assert [e["key"] for e in got["errors"]] == wrong
    assert sum("does not state its chain (" in n for n in got["notes"]) == noted
    del table["targets"]["t"]["gas_keyfile"]
    assert await errors(table) == [], "who sends nothing asks no relay"


async def plain_view(site: Site) -> str:
    """A FeedView of the market price: it has a mode, and no ramp."""
    async with LocalChain(site.url) as chain:
        made = contracts.load("FeedView")
        artifact = npm.NpmArtifact(abi=made.abi, bytecode="0x" + made.bytecode.hex())
        arguments = (to_checksum_address(site.stores[0]), b"wX/ETH".ljust(32, b"\0"), 0, 18, 3_600)
        return str((await chain.create(account(1), artifact, *arguments)).address)


async def test_what_is_poked_is_a_mode_view_of_mode_4(site: Site) -> None:
    deployer = Deployer(site.url, coincurve.PrivateKey(bytes(account(0).key)))
    await deployer.register(site.stores[0], "both/ETH", market=True, redemption=True)
    await deployer.close()
    view = await put_view(site.url, site.stores[0], "both/ETH")
    table = site.config()
    table["targets"]["t"]["pokes"] = [view]
    assert await errors(table) == [], "the control"
    nobody, plain = account(5).address, await plain_view(site)
    table["targets"]["t"]["pokes"] = [nobody, view, plain, site.stores[1]]
    assert await errors(table) == [
        (f"targets.t.pokes[{i}]", f"there is no ModeView at {where}: correct the address, or leave it out")
        for i, where in ((0, nobody), (2, plain), (3, site.stores[1]))
    ]


async def test_an_operator_without_too_many_sources_is_refused(site: Site) -> None:
    table = site.config()
    table["operators"][0]["without"] = ["binance"]
    assert await errors(table) == [], "no feed uses it"
    table["operators"][0]["without"] = ["kraken"]
    told = dict(await errors(table))
    assert set(told) == {'feeds."wX/ETH"', 'feeds."ETH/USD"'}
    assert (
        "have weight 1, a push to t needs 2: it is never pushed. op0 is left with 1 of 2 groups (coinbase)"
        in told['feeds."wX/ETH"']
    )
    table["operators"].append({**site.config([KEYS[2]])["operators"][0], "name": "op2", "journal": "j2"})
    assert await errors(table) == [], "a third one makes up for it"
    del table["targets"]["t"]["gas_keyfile"]
    table["operators"].pop()
    assert await errors(table) == [], "who sends nothing needs no weight"


async def test_a_passphrase_that_opens_nothing_is_refused(site: Site) -> None:
    table = site.config()
    assert await errors(table, offline=True) == []
    locked = {}
    for key in (KEYS[0], PAID):
        path = site.folder / f"locked-{address_of(key).hex()}.json"
        keyfiles.save(path, key, "another", iterations=1)
        locked[key.secret] = str(path)
    table["operators"][0]["keyfile"], table["targets"]["t"]["gas_keyfile"] = locked[KEYS[0].secret], locked[PAID.secret]
    told = await errors(table, offline=True)
    assert [k for k, _ in told] == ["operators.op0.keyfile", "targets.t.gas_keyfile"]
    assert "does not open: wrong passphrase in LRT_ORACLE_PASSPHRASE" in told[0][1]
    assert "does not open: wrong passphrase in LRT_ORACLE_GAS_PASSPHRASE" in told[1][1]


async def test_a_keyfile_that_states_another_address_than_its_keys_is_refused(site: Site) -> None:
    other = coincurve.PrivateKey(b"\x0b" * 32)
    path = site.folder / "renamed.json"
    keyfiles.save(path, other, "x", iterations=1)
    path.write_text(json.dumps({**json.loads(path.read_text()), "address": address_of(KEYS[0]).hex()}))
    table = site.config()
    table["operators"][0]["keyfile"] = str(path)
    ((key, text),) = await errors(table)
    assert key == "operators.op0.keyfile"
    assert text.endswith(
        f"states the address 0x{address_of(KEYS[0]).hex()} and holds the key of 0x{address_of(other).hex()}: make a new keyfile"
    )
