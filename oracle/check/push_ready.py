"""Whether a set-up can push at all: keys, weight, feeds, money and time, against the config and against each store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feeds.chains.abi import address
from feeds.chains.jsonrpc import quantity
from oracle.chain.next_signers import read_next_set
from oracle.chain.store_client import StoreClient, Unfit
from oracle.check.agreement_bounds import bound_notes, bound_problems
from oracle.check.endpoints import poke_problems, relay_findings
from oracle.check.thresholds import unpriced_feed_problems
from oracle.config.check_keys import payer_address, report_key
from oracle.config.resolve import ResolvedConfig
from oracle.config.sections import Config
from oracle.config.tables.operator_sections import TargetSection
from oracle.config.tables.schema import Problem
from oracle.push.preflight import check_presence, read_limits
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.journal_witness import witness_fault, witness_folder
from oracle.sign.messages import SignerSet

_MAKING_S = 3
"""A round is left out if it begins 1.9 s late, and a remote key has a second to sign: so old may a batch be when it is sent."""
_BLOCKS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReadiness:
    """Whether one target can be pushed to.

    Attributes:
        target: name of the target.
        signers: the present signer set of its store.
        next_signers: the set that is to follow; None for none.
        problems: what keeps it from pushing.
        notes: what is not wrong and should be known.
    """

    target: str
    signers: SignerSet
    next_signers: SignerSet | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def wants_to_push(target: TargetSection) -> bool:
    """Whether the config gives a target a gas key; without one it is a dry run on purpose."""
    return target.gas_keyfile is not None or target.signer_url is not None


# --- without a network -----------------------------------------------------------------------------------------------


def config_problems(resolved: ResolvedConfig, environ: Mapping[str, str]) -> Iterator[Problem]:
    """What keeps this config from pushing, wherever its stores are. ``environ``: where passphrases are."""
    config = resolved.config
    pushing = [n for n, t in config.targets.items() if wants_to_push(t)]
    for name in pushing:
        yield from _target_problems(resolved, name, config.targets[name])
    folder = witness_folder(config.oracle.witness, environ)
    if config.operators and folder is not None and (fault := witness_fault(folder)):
        yield Problem("oracle.witness", fault)
    for operator in config.operators:
        if operator.keyfile is not None and not Path(operator.keyfile).is_file():
            text = f"{operator.keyfile} does not exist: make it with `lrt-oracle keys new`, or correct the path"
            yield Problem(f"operators.{operator.name}.keyfile", text)
        elif operator.keyfile is not None:
            yield from _keyfile_problems(
                f"operators.{operator.name}.keyfile", operator.keyfile, operator.passphrase_env, environ
            )
    for name, target in config.targets.items():
        if target.gas_keyfile is not None and Path(target.gas_keyfile).is_file():
            yield from _keyfile_problems(
                f"targets.{name}.gas_keyfile", target.gas_keyfile, target.passphrase_env, environ
            )
    for feed in resolved.pushed if pushing else ():
        heartbeat_s, interval_s = resolved.specs[feed].heartbeat_s, config.oracle.round_interval_s
        if heartbeat_s < interval_s:
            text = f"a round comes every {interval_s} s: a heartbeat of {heartbeat_s} s cannot be kept; write at least that"
            yield Problem(f'feeds."{feed}".heartbeat_s', text)


def _target_problems(resolved: ResolvedConfig, name: str, target: TargetSection) -> Iterator[Problem]:
    if not resolved.config.operators:
        text = (
            "no operator signs here, so this target can never push: add [[operators]] with keys of the store's signers, or leave the"
            " gas key out"
        )
        yield Problem(f"targets.{name}", text)
    if not resolved.pushed:
        yield Problem(f"targets.{name}", "no feed goes on chain: all are reference_only, off, or products of others")
    if target.gas_keyfile is not None and not Path(target.gas_keyfile).is_file():
        text = f"{target.gas_keyfile} does not exist: make it with `lrt-oracle keys new`, or correct the path"
        yield Problem(f"targets.{name}.gas_keyfile", text)


def _keyfile_problems(where: str, keyfile: str, env: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """A keyfile that the passphrase given does not open: the process would end with it."""
    if not keyfiles.has_passphrase(env, environ):
        return  # a note: the process may be given it
    try:
        key_address = address_of(keyfiles.load(Path(keyfile), env, environ, only_looks=True))
    except keyfiles.KeyfileError as e:
        yield Problem(where, str(e))
        return
    try:
        stated = address(keyfiles.stated_address(Path(keyfile)))
    except keyfiles.KeyfileError:
        return  # it need not say
    if stated != key_address:
        yield Problem(
            where,
            f"{keyfile} states the address 0x{stated.hex()} and holds the key of 0x{key_address.hex()}: make a new keyfile",
        )


def config_notes(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """What the environment of this call does not have: the process may be given it all the same."""
    for operator in config.operators:
        if operator.keyfile is not None and not keyfiles.has_passphrase(operator.passphrase_env, environ):
            yield f"operator {operator.name}: {operator.passphrase_env} is not set here; without it this operator signs nothing"
    for name, target in config.targets.items():
        if not wants_to_push(target):
            yield f"target {name}: no gas key, nothing is sent; anybody can take what is signed from the endpoint and push it"
        elif target.gas_keyfile is not None and not keyfiles.has_passphrase(target.passphrase_env, environ):
            yield f"target {name}: {target.passphrase_env} is not set here; without it nothing is sent"


# --- at the store ----------------------------------------------------------------------------------------------------


async def readiness_of(resolved: ResolvedConfig, name: str, client: StoreClient) -> PushReadiness:
    """Whether one target can be pushed to, as its store and chain say; ChainError if they cannot be read."""
    target, signers = resolved.config.targets[name], await client.connect()
    known = await client.feeds()
    missing = [f for f in resolved.pushed if f not in known]
    indexes = {f: known[f] for f in resolved.pushed if f in known}
    problems: list[Problem] = []
    if missing:
        text = f"not registered in the store: {', '.join(missing)}; run `lrt-oracle deploy`, or register them"
        problems.append(Problem(f"targets.{name}.store", text))
    try:
        await check_presence(client, indexes, resolved.specs)
        await read_limits(client, indexes, target.max_push_age_s)
    except Unfit as e:
        problems.append(Problem(f"targets.{name}", str(e)))
    head = await client.head()
    paused = [f for f, i in indexes.items() if await client.paused(i, head.number)]
    paused_note = f"target {name}: the guardian paused {', '.join(paused)}: nothing of it lands until it is resumed"
    notes = [paused_note] if paused else []
    if wants_to_push(target):
        problems += _weight_problems(resolved, name, signers)
        problems += await _gas_problems(name, target, client)
        problems += await _block_time_problems(name, target, client, head.number, head.time_s)
        problems += await poke_problems(name, target.pokes, client)
        relay_problems, relay_notes = await relay_findings(name, target.relays, client.domain.chain_id)
        problems += relay_problems
        notes += relay_notes
    coming = await read_next_set(client, head.number)
    next_signers = None if coming is None else coming.signers
    problems += bound_problems(resolved.config, name, signers)
    notes += bound_notes(resolved.config, name, signers)
    if next_signers is not None:
        problems += bound_problems(resolved.config, name, next_signers, coming=True)
    return PushReadiness(
        target=name, signers=signers, next_signers=next_signers, problems=tuple(problems), notes=tuple(notes)
    )


def _weight_problems(resolved: ResolvedConfig, name: str, signers: SignerSet) -> Iterator[Problem]:
    operators = resolved.config.operators
    if resolved.config.network is not None:
        return  # the others sign in processes of their own
    known_keys = [(o, bytes.fromhex(k)) for o in operators if (k := report_key(o)) is not None]
    here = {key for _, key in known_keys}
    if not operators or len(known_keys) < len(operators):
        return  # reported elsewhere, or not known without a passphrase
    weight = signers.weight_of([a for a in signers.signers if a in here])
    if weight < signers.threshold:
        others = ", ".join(f"0x{a.hex()} (weight {w})" for a, w in signers.members.items() if a not in here)
        text = (
            f"the operators here have weight {weight}, a push needs {signers.threshold}: it can never push. Operators of"
            f" one process sign together: give this one more of the store's keys, in keyfiles or with remote signers"
            f" ({others}), or leave the gas key out"
        )
        yield Problem(f"targets.{name}", text)
        return
    yield from unpriced_feed_problems(resolved, name, signers, known_keys)


async def _gas_problems(name: str, target: TargetSection, client: StoreClient) -> list[Problem]:
    payer = payer_address(target)
    if payer is None:
        return []
    wei = await client.nodes.highest_reached("eth_getBalance", f"0x{payer}", "latest", read=quantity)
    return (
        [] if wei else [Problem(f"targets.{name}", f"the gas key 0x{payer} has no ether on this chain: send it some")]
    )


async def _block_time_problems(
    name: str, target: TargetSection, client: StoreClient, number: int, time_s: int
) -> list[Problem]:
    """A batch is sent after its round, and a block comes when it comes."""
    back = min(_BLOCKS, number)
    if not back:
        return []
    old = await client.nodes.agreed_value("eth_getBlockByNumber", hex(number - back), False, read=_block_time)  # noqa: FBT003
    block_s = -(-(time_s - old) // back)
    least_s = _MAKING_S + block_s
    if target.max_push_age_s >= least_s:
        return []
    text = (
        f"the store takes a batch for {target.max_push_age_s} s, but a batch is up to {_MAKING_S} s old when it is sent and this"
        f" chain makes a block every {block_s} s: use a store that takes it for {least_s} s at least"
    )
    return [Problem(f"targets.{name}.max_push_age_s", text)]


def _block_time(answer: object) -> int:
    if not isinstance(answer, Mapping):
        raise TypeError(f"{answer!r} is not a block")
    return quantity(answer["timestamp"])


def _knows(readiness: PushReadiness, key: bytes) -> bool:
    """Whether a key is in the present set of a store or in the next one: a set that is to come is there before its time."""
    return key in readiness.signers.signers or (
        readiness.next_signers is not None and key in readiness.next_signers.signers
    )


def unknown_key_problems(config: Config, readiness: Sequence[PushReadiness]) -> Iterator[Problem]:
    """Operators whose key no store of the config knows. ``readiness``: of every target."""
    for operator in config.operators:
        key = report_key(operator)
        if key is None or not readiness or any(_knows(target, bytes.fromhex(key)) for target in readiness):
            continue
        stores = ", nor of ".join(f"0x{target.signers.domain.store.hex()} ({target.target})" for target in readiness)
        text = (
            f"0x{key} is not among the signers of {stores}: it signs for nothing. Have the owner add it to the set, or use a"
            " key that is there"
        )
        yield Problem(f"operators.{operator.name}.{'keyfile' if operator.keyfile else 'signer_address'}", text)
