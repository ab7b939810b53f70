"""The facts of what secures a price as JSON: seconds, numbers and basis points are numbers, wei and fractions of 1e18 are texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from oracle.stake.secured.facts import SecuredFacts, SecuringOperator, StakePart


def facts_document(facts: SecuredFacts) -> dict[str, Any]:
    """All that was read, with the contracts that said it."""
    system, terms, penalties, rewards = facts.system, facts.terms, facts.penalties, facts.rewards
    return {
        "contracts": {"set": system.set, "book": system.book, "penalties": system.penalties, "rewards": system.rewards},
        "epoch": facts.epoch,
        "threshold": str(facts.threshold),
        "step_threshold": str(facts.step_threshold),
        "total": str(facts.total),
        "provable_until_s": facts.provable_until_s,
        "expires_s": facts.expires_s,
        "overlap_ends_s": facts.overlap_ends_s,
        "rotate_due_s": facts.rotate_due_s,
        "silent": facts.silent,
        "next_epoch": None if facts.next_epoch is None else dict(zip(("epoch", "at_s", "armed"), facts.next_epoch, strict=True)),
        "members": [_member(m) for m in facts.members],
        "unnamed": _texts(facts.unnamed),
        "candidates": facts.candidates,
        "jailed": dict(facts.jailed),
        "terms": {**asdict(terms), "min_stake": str(terms.min_stake)},
        "penalties": {**asdict(penalties), "min_fraction": str(penalties.min_fraction)},
        "rewards": {"absence_jail_s": rewards.absence_jail_s, "pots": _texts(rewards.pots)},
        "sources": [
            {
                "address": s.at, "kind": s.kind.value, "values": s.values, "reach_s": None if s.reach_s is None else str(s.reach_s),
                "shared_bps": s.shared_bps, "vaults": None if s.vaults is None else _texts(s.vaults), "held_by": list(s.held_by),
            }
            for s in facts.sources
        ],
        "collateral": [
            {
                "values": c.values, "token": c.token, "rate_contract": c.rate_contract, "rate": _text(c.rate),
                "limit": _text(c.limit), "recorded_rate": str(c.recorded_rate), "recorded_at_s": c.recorded_at_s,
                "counts_bps": c.counts_bps, "growth_bps": c.growth_bps,
                "fallen": None if c.fallen is None else {"rate": str(c.fallen[0]), "at_s": c.fallen[1]},
            }
            for c in facts.collateral
        ],
    }  # fmt: skip


def _member(member: SecuringOperator) -> dict[str, Any]:
    return {
        "operator": member.operator, "key": member.key, "book_key": member.book_key, "weight": str(member.weight),
        "frozen_weight": str(member.frozen_weight), "capture_s": member.capture_s, "stake": _texts(member.stake_wei),
        "slashable": _texts(member.slashable_wei), "parts": [_part(p) for p in member.parts],
        "jailed_until_s": member.jailed_until_s, "open_cases": member.open_cases,
    }  # fmt: skip


def _part(part: StakePart) -> dict[str, Any]:
    curators = None if part.curators is None else list(part.curators)
    return {
        "source": part.source, "kind": part.kind.value, "wei": _text(part.wei), "collateral": part.collateral, "native": part.native,
        "vault": part.vault, "shared": part.shared, "curators": curators,
    }  # fmt: skip


def _texts(wei: Mapping[str, int | None]) -> dict[str, str | None]:
    return {name: _text(n) for name, n in wei.items()}


def _text(wei: int | None) -> str | None:
    return None if wei is None else str(wei)
