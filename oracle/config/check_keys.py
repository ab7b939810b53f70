"""Keys of operators and targets: what each may do, which of them use it, and that no report key has two journals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from oracle.config.sections import Config
from oracle.config.tables.operator_sections import OperatorSection, TargetSection
from oracle.config.tables.schema import Problem
from oracle.model.suggest import nearest


def key_problems(config: Config) -> Iterator[Problem]:
    """Everything that is wrong with targets and operators, as far as their files can be seen without a passphrase."""
    for name, target in config.targets.items():
        if target.chain not in config.chains:
            text = f"{target.chain!r} is not a chain of the config; {nearest(target.chain, config.chains)}"
            yield Problem(f"targets.{name}.chain", text)
        elif target.agree > (endpoints := len(config.chains[target.chain].endpoints)):
            yield Problem(
                f"targets.{name}.agree", f"agree = {target.agree}: there are {endpoints} endpoints; 0 chooses"
            )
        yield from _unpushed_crons(config, name, target)
    yield from _gas_key_authority(config)
    yield from _shared_gas_keys(config)
    for field in ("name", "keyfile", "journal"):
        values = [str(v) for o in config.operators if (v := getattr(o, field)) is not None]
        for twice in sorted({v for v in values if values.count(v) > 1}):
            yield Problem(f"operators.{field}", f"{twice!r} is used by more than one operator: each needs its own")
    yield from _shared_report_keys(config)
    yield from _backup_journals(config)


def _unpushed_crons(config: Config, name: str, target: TargetSection) -> Iterator[Problem]:
    """A schedule of a feed that never goes on chain would be kept by nobody."""
    for feed, _ in target.cron_by_feed:
        where, section = f'targets.{name}.cron_by_feed."{feed}"', config.feeds.get(feed)
        if section is None:
            yield Problem(where, f"{feed!r} is not a feed of the config; {nearest(feed, config.feeds)}")
        elif section.off or section.reference_only or section.legs:
            text = "is never pushed: it is off, reference_only or a product of others; write a feed that goes on chain"
            yield Problem(where, text)


def _shared_report_keys(config: Config) -> Iterator[Problem]:
    """One key under two operators, here in a keyfile and there with a remote signer, would have two journals."""
    names: dict[str, str] = {}
    for operator in config.operators:
        key = report_key(operator)
        if key is not None and names.setdefault(key, operator.name) != operator.name:
            text = f"0x{key} is also the key of operator {names[key]!r}: each operator needs its own"
            yield Problem(f"operators.{operator.name}.{'keyfile' if operator.keyfile else 'signer_address'}", text)


def report_key(operator: OperatorSection) -> str | None:
    """Address of a report key, 40 hex digits; None where its keyfile does not exist yet, or does not state it."""
    if operator.signer_address is not None:
        return operator.signer_address.lower().removeprefix("0x")
    return stated_address(operator.keyfile)


def _gas_key_authority(config: Config) -> Iterator[Problem]:
    """A gas key that is also a report key puts the stake at risk for nothing."""
    owners = {report_key(o): o.name for o in config.operators}
    owners.pop(None, None)
    for name, target in config.targets.items():
        owner = owners.get(payer_address(target))
        if owner is not None:
            text = f"is also the report key of operator {owner!r}: the gas key must have no authority, use two keys"
            yield Problem(f"targets.{name}.{_payer_key(target)}", text)


def _shared_gas_keys(config: Config) -> Iterator[Problem]:
    """A key has one queue of nonces on a chain: two targets would take each other's."""
    users: dict[tuple[object, str], str] = {}
    for name, target in config.targets.items():
        payer = _payer(target)
        if payer is None:
            continue
        chain = config.chains.get(target.chain)
        first = users.setdefault((chain.chain_id if chain else target.chain, payer), name)
        if first != name:
            text = f"is also the gas key of target {first!r} on the same chain: each target there needs its own"
            yield Problem(f"targets.{name}.{_payer_key(target)}", text)


def _backup_journals(config: Config) -> Iterator[Problem]:
    """A backup whose report keys do not know what the primary's have signed would sign two values for a round, and be slashed."""
    backups = [n for n, t in config.targets.items() if t.offset_s and not _has_primary(config, t)]
    for operator in config.operators:
        where = f"operators.{operator.name}"
        if backups and not operator.shared_journal:
            text = (
                f"target {backups[0]} is a backup (offset_s) of another process: with report keys and a journal of its own"
                " it signs a second value for the same round, which is slashed. Give it the primary's journal on the same"
                " machine and write shared_journal = true; or put both targets into one config; or leave [[operators]] out"
            )
            yield Problem(f"{where}.journal", text)
        if operator.shared_journal and not Path(operator.journal).is_file():
            text = f"{operator.journal} does not exist: a shared journal is that of the other process; start that one first"
            yield Problem(f"{where}.journal", text)


def _has_primary(config: Config, backup: TargetSection) -> bool:
    """Whether a target of this config pushes to the same store at once."""
    store = _store_of(config, backup)
    return any(_store_of(config, t) == store and not t.offset_s for t in config.targets.values())


def _store_of(config: Config, target: TargetSection) -> tuple[object, str]:
    chain = config.chains.get(target.chain)
    return (chain.chain_id if chain else target.chain, target.store.lower())


def _payer(target: TargetSection) -> str | None:
    """What pays: an address, or the path of a keyfile that does not exist yet; None for a dry run."""
    if target.signer_address is not None:
        return target.signer_address.lower().removeprefix("0x")
    if target.gas_keyfile is None:
        return None
    return stated_address(target.gas_keyfile) or str(Path(target.gas_keyfile).resolve())


def payer_address(target: TargetSection) -> str | None:
    """Address of a gas key, 40 hex digits; None where there is none, or its keyfile does not state it."""
    if target.signer_address is not None:
        return target.signer_address.lower().removeprefix("0x")
    return stated_address(target.gas_keyfile)


def _payer_key(target: TargetSection) -> str:
    return "signer_address" if target.signer_address is not None else "gas_keyfile"


def stated_address(keyfile: str | None) -> str | None:
    """Address that a keyfile states without its passphrase; None where there is no file yet."""
    if keyfile is None or not Path(keyfile).is_file():
        return None
    try:
        return str(json.loads(Path(keyfile).read_text(encoding="utf-8"))["address"]).lower().removeprefix("0x")
    except (ValueError, KeyError, TypeError):
        return None
