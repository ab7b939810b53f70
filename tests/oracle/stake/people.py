"""A local chain with the whole system of stake, and the command line of somebody who uses it."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import coincurve
from click.testing import CliRunner, Result
from eth_hash.auto import keccak

from demo.world import npm, staking
from demo.world.chain import LocalChain, account
from oracle.__main__ import main
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.rewards.grounds import make_grounds
from oracle.rewards.posted import RewardsReads
from oracle.rewards.report import epoch_rewards
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain, address_of, batch_bytes, sign_compact
from oracle.sign.epoch_words import EpochAttendance, SignedAttendance
from oracle.sign.signed_batch import packed_signatures
from tests.contracts.contract_tools import Item
from tests.contracts.evm_process import word_digest, word_evidence

T = TypeVar("T")
WORD = "a passphrase"
ENV = {
    "LRT_ORACLE_PASSPHRASE": WORD,
    "LRT_ORACLE_WALLET_PASSPHRASE": WORD,
    "LRT_ORACLE_GAS_PASSPHRASE": WORD,
    "LRT_ORACLE_OWNER_PASSPHRASE": WORD,
}
OWNER, FUNDER = account(0), account(1)
OTHERS = tuple(account(i) for i in (3, 4, 5))
OTHER_KEYS = tuple(coincurve.PrivateKey(bytes([n]) * 32) for n in (11, 12, 13))
STAKES = (40, 35, 30)
"""Of the others, in tokens."""
ETHER = 10**18


class People:
    """The chain, three operators on it, and a folder with a config."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.keys = list(OTHER_KEYS)
        self.operators = ""
        self.world = self.on_chain(self._deploy)
        self.names = {"REWARDS": self.world.rewards.address}

    def on_chain(self, work: Callable[[LocalChain], Awaitable[T]]) -> T:
        async def whole() -> T:
            async with LocalChain(self.url) as chain:
                return await work(chain)

        return asyncio.run(whole())

    async def _deploy(self, chain: LocalChain) -> staking.StakingWorld:
        diva = await chain.create(OWNER, npm.own("DivETH"))
        token = await chain.create(OWNER, npm.own("WdivETH"), diva.address)
        world = await staking.deploy_staking(chain, self.url, OWNER, token, OTHER_KEYS, ["wdivETH/ETH"])
        for who, key, stake in zip(OTHERS, OTHER_KEYS, STAKES, strict=True):
            await chain.pay(who, token.address, 2 * stake * ETHER)
            await chain.settle()
            await staking.enter(chain, world, who, key, stake * ETHER)
        return world

    # ------------------------------------------------------------------------------------------------- the command line

    def config(self) -> Path:
        path = self.folder / "config.toml"
        path.write_text(f"""
[oracle]
database = "{self.folder}/o.db"
[chains.local]
chain_id = 31337
endpoints = ["{self.url}"]
[targets.main]
chain = "local"
store = "{self.world.store.address}"
gas_keyfile = "{self.folder}/var/gas.key.json"
{self.operators}
[feeds."ETH/USD"]
sources = [{{ type = "coinbase", symbol = "ETH-USD" }}, {{ type = "kraken", symbol = "ETH/USD" }}]
""")
        return path

    def run(self, line: str) -> Result:
        """A line of the page, or of a test: `lrt-oracle ...`."""
        for name, value in self.names.items():
            line = line.replace(f"${name}", value)
        words = [w.replace("var/", f"{self.folder}/var/") for w in shlex.split(line, comments=True)]
        assert words[0] == "lrt-oracle"
        return CliRunner().invoke(main, ["--config", str(self.config()), *words[1:]], env=ENV, catch_exceptions=False)

    def said(self, line: str, status: int = 0) -> dict[str, Any]:
        result = self.run(f"{line} --json")
        assert result.exit_code == status, result.output
        return dict(json.loads(result.stdout))

    def refused(self, line: str) -> str:
        result = self.run(line)
        assert result.exit_code not in (0, 3), result.output
        return result.output

    # -------------------------------------------------------------------------------------------------------- the others

    def endow(self, keyfile: str, tokens: int) -> str:
        """Ether and tokens for the key of a file; its address."""
        address = keyfiles.stated_address(self.folder / "var" / keyfile)

        async def work(chain: LocalChain) -> None:
            await chain.pay(FUNDER, address, 5 * ETHER)
            await chain.pay(FUNDER, self.world.token.address, tokens * ETHER)
            await chain.settle()
            await chain.send(FUNDER, self.world.token, "transfer", address, tokens * ETHER)
            await chain.settle()

        self.on_chain(work)
        return str(address)

    def write_key(self, name: str, key: coincurve.PrivateKey) -> None:
        keyfiles.save(self.folder / "var" / name, key, WORD, iterations=1)

    def quick_key(self, name: str) -> coincurve.PrivateKey:
        """A key that the command line made, in a file that opens at once: to derive it a score of times would take a minute."""
        key = keyfiles.load(self.folder / "var" / name, "LRT_ORACLE_PASSPHRASE", ENV)
        (self.folder / "var" / name).unlink()
        self.write_key(name, key)
        return key

    def jump(self, seconds: int) -> None:
        self.on_chain(lambda chain: staking.jump(chain, seconds))

    def now(self) -> int:
        return self.on_chain(lambda chain: chain.block_time_s())

    def rotate(self) -> None:
        self.on_chain(lambda chain: staking.rotate(chain, self.world, FUNDER))

    def arm(self) -> int:
        return self.on_chain(lambda chain: staking.arm(chain, self.world, FUNDER, self.keys))

    def read(self, contract: str, function: str, *args: Any) -> Any:
        return self.on_chain(lambda chain: chain.call(getattr(self.world, contract), function, *args))

    def fund(self, epoch: int, wei: int) -> None:
        async def work(chain: LocalChain) -> None:
            zero = "0x" + "00" * 20
            await chain.send(FUNDER, self.world.rewards, "fund", epoch, zero, wei, value_wei=wei)
            await chain.settle()

        self.on_chain(work)

    def prove(self, key: coincurve.PrivateKey, epoch: int) -> None:
        """Two batches of one round by a key, and their proof by anybody."""
        domain = Domain(chain_id=31_337, store=bytes.fromhex(self.world.store.address[2:]))

        async def work(chain: LocalChain) -> None:
            words = []
            for market in (ETHER, ETHER + 1):
                batch = batch_bytes(epoch, 1_000, Item(0, market=market).packed())
                words.append(word_evidence(0, batch, sign_compact(key, word_digest(domain, 0, batch))))
            await chain.send(FUNDER, self.world.penalties, "prove", *words, 0, gas=12_000_000)
            await chain.settle()

        self.on_chain(work)

    def post(self, epoch: int) -> None:
        """All members say that all were there, and sign what follows."""

        async def work(chain: LocalChain) -> None:
            domain = Domain(chain_id=31_337, store=bytes.fromhex(self.world.store.address[2:]))
            nodes = QuorumRpc([self.url], chain_id=31_337)
            try:
                reads = await RewardsReads.open(nodes, bytes.fromhex(self.world.rewards.address[2:]), domain)
                frozen = await reads.frozen(epoch)
                assert frozen is not None
                stakes, pots = await reads.stakes(frozen), await reads.pots(epoch)
            finally:
                await nodes.close()
            by_key = {address_of(k): k for k in self.keys}
            said = EpochAttendance(domain=domain, epoch=epoch, rounds=10, counts=(10,) * len(frozen.keys))
            words = {
                k: SignedAttendance(said=said, address=k, signature=sign_compact(by_key[k], keccak(said.preimage())))
                for k in frozen.keys
            }
            report = epoch_rewards(make_grounds(frozen, stakes, words), pots)
            digest = keccak(report.word.preimage())
            signed = packed_signatures(frozen.signers, {k: sign_compact(by_key[k], digest) for k in frozen.keys})
            args: tuple[Any, ...] = (epoch, report.word.root, [], report.grounds.raw, signed)
            await chain.send(FUNDER, self.world.rewards, "post", *args, gas=5_000_000)
            await chain.settle()

        self.on_chain(work)
