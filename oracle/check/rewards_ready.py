"""Whether the reports of epochs can be made and posted: the contract, the key that pays, and how far back the endpoints know stake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from feeds.chains.jsonrpc import quantity
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.config.check_rewards import rewards_target
from oracle.config.check_watch import own_payer
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.schema import Problem
from oracle.rewards.posted import RewardsReads
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain
from oracle.stake.discover import NotStaked, discover
from oracle.stake.reads import StakeReads

_POST_GAS = 400_000
"""A report of 31 members costs so much; docs/stake.md has the table."""


def rewards_file_problems(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    """A keyfile that is not there, or that the passphrase given does not open."""
    rewards = config.rewards
    if rewards.gas_keyfile is None:
        return
    if not Path(rewards.gas_keyfile).is_file():
        text = f"{rewards.gas_keyfile} does not exist: make it with `lrt-oracle keys new`, or correct the path"
        yield Problem("rewards.gas_keyfile", text)
    elif rewards.passphrase_env in environ:
        try:
            keyfiles.load(Path(rewards.gas_keyfile), rewards.passphrase_env, environ, only_looks=True)
        except keyfiles.KeyfileError as e:
            yield Problem("rewards.gas_keyfile", str(e))


def rewards_notes(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """Who posts what is agreed on here."""
    rewards = config.rewards
    if rewards.contract is None:
        return
    if rewards.gas_keyfile is None and rewards.signer_url is None:
        yield "reports of epochs are agreed on and not posted from here: another operator must, or anybody by hand"
    elif rewards.gas_keyfile is not None and rewards.passphrase_env not in environ:
        yield f"rewards: {rewards.passphrase_env} is not set here; without it no report is posted"


async def rewards_findings(config: Config) -> tuple[list[Problem], list[str]]:
    """Errors and notes from the chain: another contract than the one of the store's set, a key without ether, endpoints that forget."""
    rewards, name = config.rewards, rewards_target(config)
    if rewards.contract is None or name is None:
        return [], []
    target = config.targets[name]
    chain = config.chains[target.chain]
    nodes = QuorumRpc(chain.endpoints, chain_id=chain.chain_id, agree=target.agree)
    domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
    problems: list[Problem] = []
    notes: list[str] = []
    try:
        problems += [Problem("rewards.contract", text) async for text in _contract_faults(config, nodes, domain)]
        if not problems:
            notes += [text async for text in _forgotten(config, nodes, domain)]
        if (payer := own_payer(rewards)) is not None:
            wei = await nodes.highest_reached("eth_getBalance", f"0x{payer}", "latest", read=quantity)
            price = await nodes.highest_reached("eth_gasPrice", read=quantity)
            if not wei:
                where = "rewards.gas_keyfile" if rewards.gas_keyfile is not None else "rewards.signer_address"
                text = f"0x{payer} has no ether: what is agreed on here is never posted from here; send it some"
                problems.append(Problem(where, text))
            elif wei < _POST_GAS * price:
                notes.append(
                    f"rewards: 0x{payer} has {wei} wei; at the present price of gas a report of 31 members takes"
                    f" {_POST_GAS * price}"
                )
    except ChainError as e:
        problems.append(Problem("rewards.contract", str(e)))
    finally:
        await nodes.close()
    return problems, notes


async def _contract_faults(config: Config, nodes: QuorumRpc, domain: Domain) -> AsyncIterator[str]:
    """What keeps its reports from being those of the store's signers."""
    contract, store = "0x" + raw_address(str(config.rewards.contract)).hex(), "0x" + domain.store.hex()
    reads = await StakeReads.open(nodes)
    if not await reads.has_code(contract):
        yield f"no contract at {contract}: correct the address"
        return
    (set_of,), (paid,) = [await reads.call(contract, "Rewards", name) for name in ("set", "store")]
    if paid != store:
        yield f"{contract} pays the signers of {paid}, not of {store}: write the contract of the target, or rewards.target"
        return
    try:
        system = await discover(reads, domain.chain_id, store)
    except NotStaked as e:
        yield str(e)
        return
    if set_of != system.set:
        yield f"{contract} reads the sets of {set_of}; the store's signers are those of {system.set}"
    if system.rewards != contract:
        yield f"the store's set was told of {system.rewards}: sources take nothing from {contract}; write that address"


async def _forgotten(config: Config, nodes: QuorumRpc, domain: Domain) -> AsyncIterator[str]:
    """Whether endpoints still know the state of the freeze of the epoch in force."""
    reads = await RewardsReads.open(nodes, raw_address(str(config.rewards.contract)), domain)
    present = await reads.present()
    frozen = await reads.frozen(present)
    if frozen is None:
        yield f"rewards: no set was frozen for epoch {present}, which is in force: it will have no report"
        return
    try:
        await reads.stakes(frozen)
    except ChainError as e:
        yield (
            f"rewards: too few endpoints know the state of {frozen.capture_s}, when epoch {present} was frozen: a process that"
            " did not run then votes for no report of it. Keep it running, or use endpoints with the states of an epoch"
            f" ({str(e)[:200]})"
        )
