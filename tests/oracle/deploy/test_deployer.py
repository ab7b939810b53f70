"""`lrt-oracle deploy` on a real chain: the same addresses everywhere, resumable, verified, and silent the second time."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import coincurve
import pytest
from click.testing import CliRunner
from web3 import AsyncHTTPProvider, AsyncWeb3

import contracts
from demo.world import anvil
from demo.world.chain import account
from oracle.__main__ import main
from oracle.config.resolve import resolve
from oracle.config.sections import load
from oracle.deploy.create2 import PROXY, PROXY_CODE, DeployError, immutables_of, plan_contract, salt_of, verify_code
from oracle.deploy.deployer import Deployer
from oracle.deploy.deployment_file import Deployment, write_deployment
from oracle.deploy.store_settings import StoreSettings, constructor_args
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of

pytestmark = pytest.mark.chain
OWNER = coincurve.PrivateKey(bytes(account(0).key))
SIGNER = coincurve.PrivateKey(b"\7" * 32)
SETTINGS = StoreSettings(signers=(address_of(SIGNER),), weights=(1,), threshold=1, max_push_age_s=60)
CONFIG = """
[chains.local]
chain_id = 31337
endpoints = ["http://127.0.0.1:1"]
[feeds."ETH/USD"]
sources = [{ type = "coinbase", symbol = "ETH-USD" }, { type = "kraken", symbol = "ETH/USD" }]
[feeds."wX/ETH"]
sources = [{ type = "coinbase", symbol = "WX-ETH" }, { type = "kraken", symbol = "WX/ETH" }]
[feeds."wX/USD"]
legs = ["wX/ETH", "ETH/USD"]
"""


@pytest.fixture
def fresh() -> Iterator[anvil.Anvil]:
    with anvil.running() as node:
        yield node


@pytest.fixture
async def web3(fresh: anvil.Anvil) -> AsyncIterator[AsyncWeb3]:
    web3 = AsyncWeb3(AsyncHTTPProvider(fresh.url))
    yield web3
    await web3.provider.disconnect()


@pytest.fixture
def specs(tmp_path: Path) -> list[Any]:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return list(resolve(load(path)).specs.values())


async def run(node: anvil.Anvil, specs: list[Any], settings: StoreSettings = SETTINGS) -> Deployment:
    deployer = Deployer(node.url, OWNER)
    try:
        return await deployer.deploy(settings, specs)
    finally:
        await deployer.close()


async def test_a_second_run_sends_nothing_and_says_the_same(
    fresh: anvil.Anvil, web3: AsyncWeb3, specs: list[Any]
) -> None:
    assert bytes(await web3.eth.get_code(AsyncWeb3.to_checksum_address(PROXY))) == PROXY_CODE
    first = await run(fresh, specs)
    assert first.sent == 1 + 2 + 3, "the store, two feeds, three views"
    nonce = await web3.eth.get_transaction_count(account(0).address)
    again = await run(fresh, specs)
    assert (again, again.sent) == (first, 0)
    assert await web3.eth.get_transaction_count(account(0).address) == nonce
    with anvil.running() as other:
        assert await run(other, specs) == first, "the same addresses on another chain"
    view = web3.eth.contract(address=first.views["wX/USD"], abi=contracts.load("CrossView").abi)
    assert await view.functions.decimals().call() == 8


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5])
async def test_a_run_that_broke_off_is_taken_up_where_it_stopped(
    fresh: anvil.Anvil, specs: list[Any], stop_after: int
) -> None:
    class PowerCut(Exception): ...

    class CutDeployer(Deployer):
        async def transact(self, function: Any) -> Any:
            if self.sent == stop_after:
                raise PowerCut
            return await super().transact(function)

    broken = CutDeployer(fresh.url, OWNER)
    with pytest.raises(PowerCut):
        await broken.deploy(SETTINGS, specs)
    await broken.close()
    rest = await run(fresh, specs)
    assert rest.sent == 6 - stop_after
    assert (await run(fresh, specs)).sent == 0


async def test_other_code_at_an_address_is_a_typed_error(fresh: anvil.Anvil, web3: AsyncWeb3, specs: list[Any]) -> None:
    made = await run(fresh, specs)
    code = bytearray(await web3.eth.get_code(made.views["ETH/USD"]))
    code[len(code) // 2] ^= 1
    await web3.provider.make_request("anvil_setCode", [made.views["ETH/USD"], "0x" + code.hex()])  # type: ignore[arg-type]
    with pytest.raises(DeployError, match=f"the view of ETH/USD at .* differs from FeedView at byte {len(code) // 2}"):
        await run(fresh, specs)
    await web3.provider.make_request("anvil_setCode", [made.views["ETH/USD"], "0x6001"])  # type: ignore[arg-type]
    with pytest.raises(DeployError, match="has 2 bytes of code"):
        await run(fresh, specs)


async def test_a_feed_that_is_registered_otherwise_is_a_typed_error(fresh: anvil.Anvil, specs: list[Any]) -> None:
    deployer = Deployer(fresh.url, OWNER)
    store, _ = deployer.plan_contracts(SETTINGS, specs)
    await deployer.ensure(store)
    await deployer.register(AsyncWeb3.to_checksum_address(store.address), "ETH/USD", market=True, redemption=True)
    with pytest.raises(DeployError, match="ETH/USD is registered with other prices"):
        await deployer.deploy(SETTINGS, specs)
    await deployer.close()


async def test_without_the_proxy_it_says_what_to_do(fresh: anvil.Anvil, web3: AsyncWeb3, specs: list[Any]) -> None:
    where = AsyncWeb3.to_checksum_address(PROXY)
    await web3.provider.make_request("anvil_setCode", [where, "0x"])  # type: ignore[arg-type]
    with pytest.raises(DeployError, match="is missing on this chain: put it there first"):
        await run(fresh, specs)


def test_immutables_are_masked_and_nothing_else() -> None:
    store = plan_contract("s", "PriceStore", arguments(), salt=salt_of("x"))
    runtime = bytearray(contracts.load("PriceStore").runtime)
    verify_code(store, bytes(runtime))
    places = list(immutables_of("PriceStore"))
    assert places
    for start, length in places:
        runtime[start : start + length] = b"\xee" * length
    verify_code(store, bytes(runtime))
    start, length = places[0]
    runtime[start + length] ^= 0xFF
    with pytest.raises(DeployError):
        verify_code(store, bytes(runtime))


def arguments() -> list[Any]:
    return constructor_args(SETTINGS, str(account(0).address))


def test_a_file_of_another_store_is_not_overwritten(tmp_path: Path) -> None:
    made = Deployment(chain_id=1, store="0x" + "11" * 20, views={"A/B": "0x" + "22" * 20})
    path = tmp_path / "deployments" / "main.toml"
    write_deployment(made, path)
    write_deployment(made, path)
    assert tomllib.loads(path.read_text())["views"] == dict(made.views)
    with pytest.raises(DeployError, match="use the same settings"):
        write_deployment(Deployment(chain_id=1, store="0x" + "33" * 20, views={}), path)


async def test_each_transaction_is_told_before_the_next_is_sent(fresh: anvil.Anvil, specs: list[Any]) -> None:
    told = list[tuple[str, int]]()
    deployer = Deployer(fresh.url, OWNER, told=lambda line: told.append((line.split(":")[0], deployer.sent)))
    done = await deployer.deploy(SETTINGS, specs)
    await deployer.close()
    assert done.sent == 1 + 2 + 3
    assert told == [(what, number) for number in range(1, done.sent + 1) for what in ("sent", "landed")]


def test_the_command_writes_the_chain_s_file(
    fresh: anvil.Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    keyfiles.save(tmp_path / "owner.json", OWNER, "open", iterations=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OWNER_PASS", "open")
    args = ["deploy", "--rpc", fresh.url, "--keyfile", "owner.json", "--passphrase-env", "OWNER_PASS"]
    args += ["--signers", "0x" + address_of(SIGNER).hex(), "--threshold", "1"]
    for sent in (6, 0):
        done = CliRunner().invoke(main, args)
        assert done.exit_code == 0, done.output
        assert f"{sent} transactions; all code verified" in done.stderr
        told = [line for line in done.stderr.splitlines() if line.startswith(("sent: ", "landed: "))]
        assert len(told) == 2 * sent, "each as it is sent, and as it has landed"
        assert "sent" not in done.stdout, "the result is the file and nothing else"
        if told:
            assert re.fullmatch(r"sent: 1 of 6, the store, 0x[0-9a-f]{64}", told[0])
            assert re.fullmatch(r"landed: 1 of 6, the store, [0-9,]+ gas, block [0-9]+", told[1])
    written = tomllib.loads((tmp_path / "deployments" / "local.toml").read_text())
    assert written["chain_id"] == 31337
    assert set(written["views"]) == {"ETH/USD", "wX/ETH", "wX/USD"}
