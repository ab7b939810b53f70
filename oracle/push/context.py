"""What a target knows of the process around it: database, rounds, clock, and what to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oracle.model.publication import PushRow
from oracle.network.members_reader import MembersReader
from oracle.network.store_peers import StorePeers
from oracle.push.attestation import CollectCut
from oracle.push.due import Decision
from oracle.round.rounds import Round, Rounds
from oracle.sign.signed_batch import CollectedSignatures
from oracle.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherOperators:
    """Operators of other processes at a store, if there are any.

    Attributes:
        members: reads who agrees on its rounds with them; None where there are none.
        on_members: called with the report addresses of all that sign for it, or will.
        peers: hears and tells what is said beside the rounds; None where there are none.
    """

    members: MembersReader | None = None
    on_members: Callable[[frozenset[bytes]], None] = lambda _: None
    peers: StorePeers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetContext:
    """The database, the rounds, the clock, and the callbacks.

    Attributes:
        database: where pushes are written down.
        rounds: are signed for the target's signer set.
        now_ms: the clock.
        collect: has a batch of a sealed round signed.
        on_signatures: called with what the operators signed or refused of a batch.
        on_landed: called for every push that landed.
        on_failed: called for every push that did not land, with one of a small set of words.
        on_look_failed: called for every look at the chain that came to nothing: no push was under way in it.
        on_spent: called with the wei of every transaction of a push that is in the chain.
        on_balance: called with the gas key's wei, and the pushes that these pay for.
        on_unpoked: called for every view that was not poked, as 0x-hex.
        on_decision: called with every decision: its round, and whether a push was under way then.
        on_stage: called for every push beside others that pay, with the place in their order that it was made from.
        on_announced: called with "heard" for every push that another operator announces, and with "late" for each that did
            not land in time.
        on_deferred: called for a batch that was signed and waits for the push under way, with its round_time.
    """

    database: Database
    rounds: Rounds
    now_ms: Callable[[], int]
    collect: CollectCut
    on_signatures: Callable[[CollectedSignatures], None]
    on_landed: Callable[[PushRow], None]
    on_failed: Callable[[str], None]
    on_look_failed: Callable[[str], None] = lambda _word: None
    on_spent: Callable[[int], None] = lambda _wei: None
    on_balance: Callable[[int, int], None] = lambda _wei, _pushes: None
    on_unpoked: Callable[[str], None] = lambda _view: None
    on_decision: Callable[[Round, Decision, bool], None] = lambda _round, _decision, _busy: None
    on_stage: Callable[[int], None] = lambda _place: None
    on_announced: Callable[[str], None] = lambda _what: None
    on_deferred: Callable[[int], None] = lambda _round_s: None
