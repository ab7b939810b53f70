"""How a target pushes and how often it looks: plain records with the defaults of production."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRules:
    """How long the store takes a batch, when to raise the fee, how deep a block counts as final."""

    max_push_age_s: int
    bump_after_s: int
    confirmations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPace:
    """How long a target may take for what, and how often it looks at what changes slowly.

    Attributes:
        tick_s: all of a tick. Each request has a limit of its own, but an endpoint may answer each just before it.
        start_s: so long may a chain keep rounds and endpoint from starting.
        signers_ms: from one look at the signer sets to the next.
        balance_ms: from one look at the gas key's balance to the next.
        reread_ms: what the store holds is read again after so long, though nothing is due.
    """

    tick_s: float = 120.0
    start_s: float = 20.0
    signers_ms: int = 30_000
    balance_ms: int = 60_000
    reread_ms: int = 15_000
