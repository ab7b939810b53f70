"""Whether the watch can prove what it finds: its key, its ether, and the contract that takes evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from oracle.chain.quorum_rpc import ChainError
from oracle.config.check_watch import own_payer
from oracle.config.sections import Config
from oracle.config.tables.schema import Problem
from oracle.sign import keyfiles
from oracle.watch.configured import proof_contract


def watch_file_problems(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    """A keyfile that is not there, or that the passphrase given does not open."""
    watch = config.watch
    if watch.gas_keyfile is None:
        return
    if not Path(watch.gas_keyfile).is_file():
        text = f"{watch.gas_keyfile} does not exist: make it with `lrt-oracle keys new`, or correct the path"
        yield Problem("watch.gas_keyfile", text)
    elif keyfiles.has_passphrase(watch.passphrase_env, environ):
        try:
            keyfiles.load(Path(watch.gas_keyfile), watch.passphrase_env, environ, only_looks=True)
        except keyfiles.KeyfileError as e:
            yield Problem("watch.gas_keyfile", str(e))


async def watch_problems_on_chain(config: Config) -> list[Problem]:
    """Another contract than one that takes evidence, and a key without ether."""
    contract, payer = proof_contract(config, None), own_payer(config.watch)
    if contract is None:
        return []
    problems = []
    try:
        named = await contract.named_by_set()
        if contract.address and named not in (None, contract.address):
            text = f"the set of the store names 0x{(named or b'').hex()}, which its signers answer to: leave the key out, or write that"
            problems.append(Problem("watch.penalties", text))
        if not await contract.is_there():
            return []
        await contract.reward_text()
        if payer is not None and not await contract.balance_wei(bytes.fromhex(payer)):
            text = f"0x{payer} has no ether: evidence is found and never proven from here; send it some"
            problems.append(Problem("watch.gas_keyfile", text))
    except ChainError as e:
        problems.append(Problem("watch.penalties", str(e)))
    finally:
        await contract.close()
    return problems
