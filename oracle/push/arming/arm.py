"""Arm the next signer set: the operators that are in it sign, here and in other processes, and a gas key carries it.

A set that is not armed never takes over, so that a rotation to lost keys silences nothing. Where the operators here, or those
that a network reaches, have the weight, a rotation needs nobody; where they do not, what is missing is logged once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

import structlog

from feeds.units import MS
from oracle.chain.next_signers import NextSignerSet, check_digest
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_client import StoreClient
from oracle.push.arming.collected import ArmingPeers, CollectedArming
from oracle.push.sending.pusher import Pusher
from oracle.runtime.clock import is_over
from oracle.sign.messages import Refusal, Signature
from oracle.sign.operator import Operator
from oracle.sign.remote.remote_key import SignerError

_PATIENCE_MS = 120_000
"""So long others may take to sign before somebody is asked for help."""
_log = structlog.get_logger("oracle.push.arming.arm")


async def sign_arming(
    operators: Sequence[Operator], coming: NextSignerSet
) -> tuple[tuple[Signature, ...], tuple[Refusal, ...]]:
    """Have the operators that are in the set sign to arm it; their signatures, and the refusals of those that did not."""
    members = [o for o in operators if coming.signers.weight_of((o.address,))]
    answers = [await o.request_arming(coming.signers, coming.set_hash) for o in members]
    return tuple(s for s in answers if isinstance(s, Signature)), tuple(r for r in answers if isinstance(r, Refusal))


def missing_members(coming: NextSignerSet, signed: Mapping[bytes, bytes]) -> str:
    """The members that have not signed, each with its weight."""
    return ", ".join(f"0x{a.hex()} (weight {w})" for a, w in coming.signers.members.items() if a not in signed)


class Arming:
    """The arming of one target: learns what is to come at each look at the signers, and tries once for each such look.

    Args:
        target: its name in the config.
        client: the store.
        pusher: of the target; what it has under way goes first.
        operators: the signers in this process.
        can_send: whether there is a gas key.
        offset_s: of a backup: the primary has so long.
        now_ms: the clock.
        on_failed: called for every try that failed, with a word.
        peers: operators of other processes; None where there are none.
    """

    def __init__(
        self,
        target: str,
        client: StoreClient,
        pusher: Pusher,
        operators: Sequence[Operator],
        *,
        can_send: bool,
        offset_s: int,
        now_ms: Callable[[], int],
        on_failed: Callable[[str], None],
        peers: ArmingPeers | None = None,
    ) -> None:
        me = operators[0].address if operators else b""
        self.collected = CollectedArming(me, peers) if peers is not None else None
        self._target, self._client, self._pusher = target, client, pusher
        self._operators = tuple(operators)
        self._can_send, self._offset_ms = can_send, offset_s * MS
        self._now_ms, self._on_failed = now_ms, on_failed
        self._to_arm: tuple[NextSignerSet, int] | None = None
        """The set, and the block at which it was read."""
        self._fresh = False
        """Whether the look at it was just now."""
        self._first_seen: tuple[bytes, int] = b"", 0
        """Hash of the set that is to come, and the ms at which it was first seen."""
        self._logged: set[tuple[bytes, str]] = set()

    def note_next_set(self, coming: NextSignerSet | None, block: int, time_s: int) -> None:
        """Learn what is to come, as read at a block of that time (Unix s): something to arm, or not."""
        self._to_arm = None
        if coming is None or coming.armed:
            return
        if coming.is_late(time_s):
            self._log_once(
                coming, "late", "the next signer set was not armed in time: it never takes over, and the present one goes"
                " on; have the owner set the signers again",
            )  # fmt: skip
            return
        if self._first_seen[0] != coming.set_hash:
            self._first_seen = coming.set_hash, self._now_ms()
        if is_over(self._first_seen[1], self._offset_ms, self._now_ms()) or not self._offset_ms:
            self._to_arm, self._fresh = (coming, block), True

    async def arm_if_due(self) -> None:
        """Sign and send, if that is to be done and nothing is under way; a failure is logged and left to the next look."""
        if self._to_arm is None or self._pusher.busy:
            return
        (coming, block), self._to_arm = self._to_arm, None
        try:
            if self.collected is None:
                await self._arm(coming, block)
            elif not await self._arm_together(self.collected, coming, block):
                self._to_arm = coming, block  # signatures may still come in, and others may have their turn first
        except (ChainError, SignerError, OSError, sqlite3.Error) as e:
            self._on_failed("not_armed")
            _log.warning("the next signer set is not armed yet; the next look tries again", target=self._target,
                         epoch=coming.signers.epoch, why=str(e)[:300])  # fmt: skip

    async def _arm(self, coming: NextSignerSet, block: int) -> None:
        weight_here = coming.signers.weight_of([o.address for o in self._operators])
        if not self._can_send or weight_here < coming.signers.threshold:
            self._ask_for_help(coming, {o.address: b"" for o in self._operators}, weight_here)
            return
        await check_digest(self._client, coming, block)
        signatures, refusals = await sign_arming(self._operators, coming)
        signed = {s.address: s.compact for s in signatures}
        weight = coming.signers.weight_of(tuple(signed))
        if weight < coming.signers.threshold:
            raise SignerError("; ".join(f"{r.operator}: {r.text}" for r in refusals))
        names = ", ".join(s.operator for s in signatures)
        await self._send(coming, signed, names)

    async def _arm_together(self, collected: CollectedArming, coming: NextSignerSet, block: int) -> bool:
        """Sign and tell the others at each look, and send what all have signed once it is enough and our turn.

        Returns:
            Whether it was sent.
        """
        fresh, self._fresh = self._fresh, False
        if fresh:
            await check_digest(self._client, coming, block)
            signatures, refusals = await sign_arming(self._operators, coming)
            collected.tell(coming, signatures)
            for refusal in refusals:
                self._log_once(coming, "refused", "this operator does not sign to arm the next set", why=refusal.text)
        signed, waited_ms = collected.signed(coming), self._now_ms() - self._first_seen[1]
        weight = coming.signers.weight_of(tuple(signed))
        if weight < coming.signers.threshold:
            if waited_ms > _PATIENCE_MS:
                self._ask_for_help(coming, signed, weight)
            return False
        if not self._can_send or not collected.is_our_turn(coming, waited_ms, fresh=fresh):
            return False
        await self._send(coming, signed, ", ".join(f"0x{a.hex()}" for a in sorted(signed)))
        return True

    async def _send(self, coming: NextSignerSet, signed: Mapping[bytes, bytes], names: str) -> None:
        row = await self._pusher.carry(coming.call(signed), f"arms epoch {coming.signers.epoch}: signed by {names}")
        if row is not None:
            _log.warning("arming the next signer set", target=self._target, epoch=coming.signers.epoch, signers=names,
                         tx=row.tx_hash, takes_over_at=coming.from_s, news=True)  # fmt: skip

    def _ask_for_help(self, coming: NextSignerSet, here: Mapping[bytes, bytes], weight: int) -> None:
        why = "this process has no gas key" if weight >= coming.signers.threshold else "others have to sign too"
        self._log_once(
            coming, "help", f"the next signer set is not armed, and {why}: run `lrt-oracle arm {self._target}` here and on"
            " the machines of the others, then once with all signatures and --send",
            weight=f"{weight} of {coming.signers.threshold}", not_here=missing_members(coming, here),
        )  # fmt: skip

    def _log_once(self, coming: NextSignerSet, kind: str, text: str, **more: str) -> None:
        """Once for a set and a kind."""
        if (coming.set_hash, kind) in self._logged:
            return
        self._logged.add((coming.set_hash, kind))
        _log.error(text, target=self._target, epoch=coming.signers.epoch, takes_over_at=coming.from_s, **more)
