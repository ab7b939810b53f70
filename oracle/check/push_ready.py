"""Whether a set-up can push at all: keys, weight, feeds, money and time, against the config and against each store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feeds.chains.abi import address
from feeds.chains.jsonrpc import quantity
from oracle.chain.next_signers import coming_set
from oracle.chain.store_client import StoreClient, Unfit
from oracle.check.endpoints import poke_problems, relay_findings
from oracle.check.thresholds import mute_feeds
from oracle.config.check_keys import payer_address, report_key
from oracle.config.resolve import ResolvedConfig
from oracle.config.sections import Config
from oracle.config.tables.operator_sections import TargetSection
from oracle.config.tables.schema import Problem
from oracle.push.preflight import check_presence, read_limits
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.messages import SignerSet

_MAKING_S = 3
"""A round is left out if it begins 1.9 s late, and a remote key has a second to sign: so old may a batch be when it is sent."""
_BLOCKS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReadiness:
    """What one target's store says. ``coming``: who is to follow. ``notes``: what is not wrong and should be known."""

    target: str
    signers: SignerSet
    coming: SignerSet | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def wants_to_push(target: TargetSection) -> bool:
    """Whether the config gives a target a gas key; without one it is a dry run on purpose."""
    return target.gas_keyfile is not None or target.signer_url is not None


# --- without a network -----------------------------------------------------------------------------------------------


def config_problems(plan: ResolvedConfig, environ: Mapping[str, str]) -> Iterator[Problem]:
    """What keeps this config from pushing, wherever its stores are. ``environ``: where passphrases are."""
    config = plan.config
    pushing = [n for n, t in config.targets.items() if wants_to_push(t)]
    for name in pushing:
        yield from _hands(plan, name, config.targets[name])
    for one in config.operators:
        if one.keyfile is not None and not Path(one.keyfile).is_file():
            text = f"{one.keyfile} is not there: make it with `lrt-oracle keys new`, or correct the path"
            yield Problem(f"operators.{one.name}.keyfile", text)
        elif one.keyfile is not None:
            yield from _locked(f"operators.{one.name}.keyfile", one.keyfile, one.passphrase_env, environ)
    for name, target in config.targets.items():
        if target.gas_keyfile is not None and Path(target.gas_keyfile).is_file():
            yield from _locked(f"targets.{name}.gas_keyfile", target.gas_keyfile, target.passphrase_env, environ)
    for feed in plan.pushed if pushing else ():
        heartbeat_s, interval_s = plan.specs[feed].heartbeat_s, config.oracle.round_interval_s
        if heartbeat_s < interval_s:
            text = f"a round comes every {interval_s} s: a heartbeat of {heartbeat_s} s cannot be kept; write at least that"
            yield Problem(f'feeds."{feed}".heartbeat_s', text)


def _hands(plan: ResolvedConfig, name: str, target: TargetSection) -> Iterator[Problem]:
    if not plan.config.operators:
        text = (
            "nobody signs here, so it can never push: add [[operators]] with keys of the store's signers, or leave the"
            " gas key out"
        )
        yield Problem(f"targets.{name}", text)
    if not plan.pushed:
        yield Problem(f"targets.{name}", "no feed goes on chain: all are reference_only, off, or products of others")
    if target.gas_keyfile is not None and not Path(target.gas_keyfile).is_file():
        text = f"{target.gas_keyfile} is not there: make it with `lrt-oracle keys new`, or correct the path"
        yield Problem(f"targets.{name}.gas_keyfile", text)


def _locked(where: str, keyfile: str, env: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """A keyfile that the passphrase given does not open: the process would end with it."""
    if env not in environ:
        return  # a note: the process may be given it
    try:
        held = address_of(keyfiles.load(Path(keyfile), env, environ))
    except keyfiles.KeyfileError as e:
        yield Problem(where, str(e))
        return
    try:
        stated = address(keyfiles.stated_address(Path(keyfile)))
    except keyfiles.KeyfileError:
        return  # it need not say
    if stated != held:
        yield Problem(where, f"{keyfile} says 0x{stated.hex()} and holds the key of 0x{held.hex()}: make a new keyfile")


def config_notes(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """What the environment of this call does not have: the process may be given it all the same."""
    for one in config.operators:
        if one.keyfile is not None and one.passphrase_env not in environ:
            yield f"operator {one.name}: {one.passphrase_env} is not set here; where it is not, it signs nothing"
    for name, target in config.targets.items():
        if not wants_to_push(target):
            yield f"target {name}: no gas key, nothing is sent; what is signed can be carried from the endpoint"
        elif target.gas_keyfile is not None and target.passphrase_env not in environ:
            yield f"target {name}: {target.passphrase_env} is not set here; where it is not, nothing is sent"


# --- at the store ----------------------------------------------------------------------------------------------------


async def look(plan: ResolvedConfig, name: str, client: StoreClient) -> PushReadiness:
    """Everything that one store says against pushing to it; ChainError if it cannot be read."""
    target, signers = plan.config.targets[name], await client.connect()
    known = await client.feeds()
    missing = [f for f in plan.pushed if f not in known]
    indexes = {f: known[f] for f in plan.pushed if f in known}
    problems: list[Problem] = []
    if missing:
        text = f"not registered in the store: {', '.join(missing)}; run `lrt-oracle deploy`, or register them"
        problems.append(Problem(f"targets.{name}.store", text))
    try:
        await check_presence(client, indexes, plan.specs)
        await read_limits(client, indexes, target.max_push_age_s)
    except Unfit as e:
        problems.append(Problem(f"targets.{name}", str(e)))
    head = await client.head()
    paused = [f for f, i in indexes.items() if await client.paused(i, head.number)]
    stopped = f"target {name}: the guardian paused {', '.join(paused)}: nothing of it lands until it is resumed"
    notes = [stopped] if paused else []
    if wants_to_push(target):
        problems += _weight(plan, name, signers)
        problems += await _money(name, target, client)
        problems += await _time(name, target, client, head.number, head.time_s)
        problems += await poke_problems(name, target.pokes, client)
        wrong, told = await relay_findings(name, target.relays, client.domain.chain_id)
        problems += wrong
        notes += told
    coming = await coming_set(client, head.number)
    follows = None if coming is None else coming.signers
    return PushReadiness(target=name, signers=signers, coming=follows, problems=tuple(problems), notes=tuple(notes))


def _weight(plan: ResolvedConfig, name: str, signers: SignerSet) -> Iterator[Problem]:
    operators = plan.config.operators
    known = [(o, bytes.fromhex(k)) for o in operators if (k := report_key(o)) is not None]
    here = {key for _, key in known}
    if not operators or len(known) < len(operators):
        return  # told elsewhere, or not known without a passphrase
    weight = signers.weight_of([a for a in signers.signers if a in here])
    if weight < signers.threshold:
        pairs = zip(signers.signers, signers.weights, strict=True)
        others = ", ".join(f"0x{a.hex()} (weight {w})" for a, w in pairs if a not in here and w)
        text = (
            f"the operators here have weight {weight}, a push needs {signers.threshold}: it can never push. Operators of"
            f" one process sign together: give this one more of the store's keys, in keyfiles or with remote signers"
            f" ({others}), or leave the gas key out"
        )
        yield Problem(f"targets.{name}", text)
        return
    yield from mute_feeds(plan, name, signers, known)


async def _money(name: str, target: TargetSection, client: StoreClient) -> list[Problem]:
    payer = payer_address(target)
    if payer is None:
        return []
    wei = await client.nodes.vouched("eth_getBalance", f"0x{payer}", "latest", of=quantity)
    return [] if wei else [Problem(f"targets.{name}", f"the gas key 0x{payer} has no ether there: send it some")]


async def _time(name: str, target: TargetSection, client: StoreClient, number: int, time_s: int) -> list[Problem]:
    """A batch is sent after its round, and a block comes when it comes."""
    back = min(_BLOCKS, number)
    if not back:
        return []
    old = await client.nodes.agreed("eth_getBlockByNumber", hex(number - back), False, of=_block_time)  # noqa: FBT003
    block_s = -(-(time_s - old) // back)
    least_s = _MAKING_S + block_s
    if target.max_push_age_s >= least_s:
        return []
    text = (
        f"the store takes a batch for {target.max_push_age_s} s, and one is up to {_MAKING_S} s old when it is sent to"
        f" a chain with a block every {block_s} s: it needs a store that takes {least_s} s at least"
    )
    return [Problem(f"targets.{name}.max_push_age_s", text)]


def _block_time(answer: object) -> int:
    if not isinstance(answer, Mapping):
        raise TypeError(f"{answer!r} is no block")
    return quantity(answer["timestamp"])


def _knows(seen: PushReadiness, key: bytes) -> bool:
    """Whether a key is in the present set of a store or in the next one: whoever is to come is there before its time."""
    return key in seen.signers.signers or (seen.coming is not None and key in seen.coming.signers)


def strangers(config: Config, looks: Sequence[PushReadiness]) -> Iterator[Problem]:
    """Operators whose key no store of the config knows. ``looks``: at all of them."""
    for one in config.operators:
        key = report_key(one)
        if key is None or not looks or any(_knows(seen, bytes.fromhex(key)) for seen in looks):
            continue
        stores = ", nor of ".join(f"0x{seen.signers.domain.store.hex()} ({seen.target})" for seen in looks)
        text = (
            f"0x{key} is not among the signers of {stores}: it signs in vain. Have the owner put it into the set, or use a"
            " key that is there"
        )
        yield Problem(f"operators.{one.name}.{'keyfile' if one.keyfile else 'signer_address'}", text)
