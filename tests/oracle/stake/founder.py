"""Somebody who deploys a store whose signers follow from stake, by the command, from the config of docs/push.md."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import coincurve
from click.testing import Result
from web3 import Web3

from demo.world import npm, staking
from demo.world.chain import LocalChain, account
from oracle.deploy.deployment_file import Deployment
from oracle.sign.eip712 import Domain, address_of, batch_bytes, sign_compact
from oracle.sign.sign_journal import SignJournal
from tests.contracts.contract_tools import Item
from tests.contracts.evm_process import word_digest
from tests.oracle.stake.people import ETHER, FUNDER, OWNER, People

PAGE = (Path(__file__).parents[3] / "docs" / "push.md").read_text(encoding="utf-8")
SECTION = PAGE.split("### A store whose signers follow from stake\n")[1].split("\n## ")[0]
SETTINGS = SECTION.split("```toml\n")[1].split("```")[0]
LINES = [line for block in SECTION.split("```sh\n")[1:] for line in block.split("```")[0].splitlines()]
TIMELOCK, GUARDIAN, ARBITER, TREASURY = (account(n) for n in (41, 42, 43, 44))
FIRST = tuple(coincurve.PrivateKey(bytes([n]) * 32) for n in (21, 22, 23))
KEYS = tuple(coincurve.PrivateKey(bytes([n]) * 32) for n in (31, 32, 33, 34))
WALLETS = tuple(account(n) for n in (50, 51, 52, 53))
"""Of the operators that join, in the order of their keys."""
FEED = "wdivETH/ETH"


def checksum(key: coincurve.PrivateKey) -> str:
    """Of a report key's address."""
    return str(Web3.to_checksum_address(address_of(key)))


class Founder(People):
    """A folder, a chain with a token, and the keys of everybody; nothing of the module is deployed yet."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.store = url, folder, ""
        (folder / "var").mkdir()
        self.keys, self.operators = list(KEYS), ""
        self.token = self.on_chain(self._tokens)
        roles = {"TIMELOCK": TIMELOCK, "GUARDIAN": GUARDIAN, "ARBITER": ARBITER, "TREASURY": TREASURY}
        self.names = {name: str(who.address) for name, who in roles.items()}
        self.names |= {n: checksum(k) for n, k in zip(("ANN", "BOB", "CLEO"), FIRST, strict=True)}
        self.names["TOKEN"] = self.token.address
        self.settings = SETTINGS
        self.write_key("owner.key.json", coincurve.PrivateKey(bytes(OWNER.key)))
        self.write_key("gas.key.json", coincurve.PrivateKey(bytes(FUNDER.key)))
        for number, (wallet, key) in enumerate(zip(WALLETS, KEYS, strict=True)):
            self.write_key(f"wallet{number}.key.json", coincurve.PrivateKey(bytes(wallet.key)))
            self.write_key(f"report{number}.key.json", key)
            SignJournal(
                folder / "var" / f"report{number}.db", address_of(key), now_ms=0, mute_ms=0, newborn=True
            ).close()
        self.write_key("wallet.key.json", coincurve.PrivateKey(bytes(account(2).key)))

    async def _tokens(self, chain: LocalChain) -> Any:
        token = await chain.create(account(9), npm.own("WdivETH"), (await chain.create(account(9), npm.own("DivETH"))).address)  # fmt: skip
        for wallet in WALLETS:
            await chain.rpc("anvil_setBalance", wallet.address, hex(10**23))
            await chain.pay(wallet, token.address, 400 * ETHER)
        await chain.settle()
        return token

    def config(self) -> Path:
        text = self.settings
        for name, value in self.names.items():
            text = text.replace(f"${name}", value)
        target = f'[targets.main]\nchain = "ethereum"\nstore = "{self.store}"\ngas_keyfile = "{self.folder}/var/gas.key.json"\n'  # fmt: skip
        path = self.folder / "config.toml"
        path.write_text(f"""
[oracle]
database = "{self.folder}/o.db"
[chains.ethereum]
chain_id = 31337
endpoints = ["{self.url}"]
{text}
{target if self.store else ""}
{self.operators}
[feeds."{FEED}"]
sources = [{{ type = "coinbase", symbol = "WDIVETH-ETH" }}, {{ type = "kraken", symbol = "WDIVETH/ETH" }}]
""")
        return path

    def run(self, line: str) -> Result:
        """As its own, in the folder: what is deployed is kept there."""
        if " deploy " in line and "--out" not in line:
            line += f" --out {self.folder}/deployments/ethereum.toml"
        return super().run(line)

    # ---------------------------------------------------------------------------------------------------- what was made

    @property
    def file(self) -> Path:
        return self.folder / "deployments" / "ethereum.toml"

    @property
    def held(self) -> Mapping[str, Any]:
        return tomllib.loads(self.file.read_text())

    def found(self) -> None:
        """The store is known from now on."""
        held = self.held
        self.store = held["store"]
        done = Deployment(chain_id=31_337, store=self.store, views=held["views"], stake=held["stake"])
        self.world = self.on_chain(lambda chain: _at(chain, self.token, done))

    def sit(self, *numbers: int) -> None:
        """These operators are in the config."""
        self.operators = "".join(
            f'[[operators]]\nname = "o{n}"\nkeyfile = "{self.folder}/var/report{n}.key.json"\n'
            f'journal = "{self.folder}/var/report{n}.db"\n'
            for n in numbers
        )

    def joins(self, number: int, tokens: int) -> None:
        """An operator bonds its own and joins, by the commands."""
        self.sit(number)
        who = f"--keyfile var/wallet{number}.key.json"
        assert self.run(f"lrt-oracle stake join {who}").exit_code == 3, "stake is missing"
        for line in (f"lrt-oracle stake bond {tokens} {who}", f"lrt-oracle stake join {who}"):
            done = self.run(line)
            assert done.exit_code == 0, done.output

    def push(self, market: int) -> None:
        """A price of now, signed by all members of the set in force."""
        domain = Domain(chain_id=31_337, store=bytes.fromhex(self.store[2:]))
        by_key = {checksum(k): k for k in KEYS}

        async def work(chain: LocalChain) -> None:
            store = self.world.store
            epoch, _, signers, _ = await chain.call(store, "signerSet")
            batch = batch_bytes(
                epoch, await chain.block_time_s(), Item(0, market=market, redemption=0, redemption_age_h=0).packed()
            )
            digest = word_digest(domain, 0, batch)
            signed = b"".join(bytes([i]) + sign_compact(by_key[s], digest) for i, s in enumerate(signers))
            await chain.send(FUNDER, store, "push", batch, signed)
            await chain.settle()

        self.on_chain(work)

    def price(self) -> int:
        """By the feed's view, as a lender reads it."""
        view = self.held["views"][FEED]
        return int(self.on_chain(lambda chain: chain.call(chain.contract(_LATEST, view), "latestAnswer")))


_LATEST = [{"type": "function", "name": "latestAnswer", "stateMutability": "view", "inputs": [], "outputs": [{"name": "", "type": "int256"}]}]  # fmt: skip


async def _at(chain: LocalChain, token: Any, done: Deployment) -> staking.StakingWorld:
    return staking.staking_at(chain, token, done)
