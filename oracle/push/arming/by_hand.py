"""Arm the next signer set of a target by hand: what this machine signs, what others have signed, and carrying both."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.chain.manual_payer import ManualPayer
from oracle.chain.next_signers import NextSignerSet, check_digest, checked_signatures, read_next_set
from oracle.chain.store_client import GasSigner, StoreClient
from oracle.config.check_keys import report_key
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import TargetSection
from oracle.model.publication import OPEN, PushRow, PushState
from oracle.push.arming.arm import missing_members
from oracle.push.arming.signatures import ArmingSignatures
from oracle.push.sending.pusher import Pusher
from oracle.push.settings import PushRules
from oracle.runtime.clock import now_ms
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain, arm_preimage
from oracle.sign.remote.open_key import key_in_use
from oracle.sign.remote.remote_key import SignerError, compact_of
from oracle.storage.database import Database

_POLL_S, _POLLS = 1.0, 180


class ArmError(LrtOracleError, RuntimeError):
    """The next signer set cannot be armed as asked: why, and what to do."""


class NothingToCome(ArmError):
    """No signer set waits to take over."""


class AlreadyArmed(ArmError):
    """The next signer set takes over for certain."""


class TooLate(ArmError):
    """No block can arm the set any more."""


class NotInTheSet(ArmError):
    """No key of this machine is in the next set, and no signature was given."""


class ManualArming:
    """One target's next signer set.

    Args:
        config: the checked config.
        name: of a target in it.
        environ: where passphrases are.
    """

    def __init__(self, config: Config, name: str, environ: Mapping[str, str]) -> None:
        self._config, self._name, self._environ = config, name, environ
        self._target: TargetSection = config.targets[name]
        chain = config.chains[self._target.chain]
        self._endpoints = chain.endpoints
        self._domain = Domain(chain_id=chain.chain_id, store=raw_address(self._target.store))

    async def collect(self, others: Sequence[bytes]) -> ArmingSignatures:
        """Sign with the keys of this machine that are in the set, and add what others have signed.

        Args:
            others: signatures as this command prints them: index 1 | r | vs, one or several after each other.

        Raises:
            NothingToCome: nobody is set to follow.
            AlreadyArmed: it takes over in any case.
            TooLate: 30 s or less are left.
            WrongSignature: one of them is not a signature of a member.
            NotInTheSet: no key here is in the set, and no signature was given.
            ChainError: the chain does not answer, or an endpoint lies about the digest.
        """
        client = self._client(None)
        try:
            head = await client.head()
            coming = _still_open(await read_next_set(client, head.number), self._name, head.time_s)
            await check_digest(client, coming, head.number)
        finally:
            await client.close()
        theirs = checked_signatures(coming, others)
        own, names, notes = await self._sign(coming)
        if not own and not theirs:
            reasons = "; ".join(notes) or f"its members are {missing_members(coming, {})}"
            raise NotInTheSet(f"nothing here signs for the set of epoch {coming.signers.epoch}: {reasons}")
        return ArmingSignatures(coming=coming, signed={**theirs, **own}, names=names, notes=tuple(notes))

    async def _sign(self, coming: NextSignerSet) -> tuple[dict[bytes, bytes], dict[bytes, str], list[str]]:
        signed: dict[bytes, bytes] = {}
        names: dict[bytes, str] = {}
        notes: list[str] = []
        signers = coming.signers
        preimage = arm_preimage(signers.domain, signers.epoch, coming.set_hash)
        for operator in self._config.operators:
            stated = report_key(operator)
            if stated is not None and not signers.weight_of((bytes.fromhex(stated),)):
                notes.append(f"{operator.name}: 0x{stated} is not in the set of epoch {signers.epoch}")
                continue
            try:
                async with key_in_use(operator, operator.keyfile, self._environ) as key:
                    if not signers.weight_of((key.address,)):
                        notes.append(
                            f"{operator.name}: 0x{key.address.hex()} is not in the set of epoch {signers.epoch}"
                        )
                        continue
                    signed[key.address] = compact_of(await key.sign(preimage))
                    names[key.address] = operator.name
            except (keyfiles.KeyfileError, SignerError) as e:
                notes.append(f"{operator.name}: {e}")
        return signed, names, notes

    async def send(self, signatures: ArmingSignatures, other: tuple[Path, str] | None) -> PushRow:
        """Carry the signatures, and wait until the set is armed.

        The target's own gas key has one queue, that of its database: it is used only while no process runs on that.

        Args:
            signatures: of enough weight.
            other: keyfile of another key that pays, and the variable of its passphrase; None for the target's gas key.

        Raises:
            NoGasKey: there is none that may pay now.
            ChainError: the store would not take it, or the chain does not answer.
            ArmError: the transaction came to nothing, or is not in a block after three minutes.
        """
        payer = ManualPayer(self._config, self._name, self._environ, other)
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncExitStack() as stack:
                stack.enter_context(payer.queue())
                database = Path(self._config.oracle.database) if payer.is_own else Path(folder) / "arm.db"
                client, journal = self._client(payer.signer), Database(database)
                stack.push_async_callback(client.close)
                stack.callback(journal.close)
                return await self._carry(client, journal, signatures)

    async def _carry(self, client: StoreClient, journal: Database, signatures: ArmingSignatures) -> PushRow:
        rules = PushRules(
            max_push_age_s=self._target.max_push_age_s,
            bump_after_s=self._target.bump_after_s,
            confirmations=self._target.confirmations,
        )
        pusher = Pusher(self._name, client, journal, rules, now_ms=now_ms, on_landed=lambda _: None)
        await pusher.start({})
        coming = signatures.coming
        row: PushRow | None = None
        for _ in range(_POLLS):
            row = row or await pusher.carry(coming.call(signatures.signed), f"arms epoch {coming.signers.epoch}")
            await pusher.poll()
            if row is not None and (armed := _armed_row(journal, row)) is not None:
                return armed
            await asyncio.sleep(_POLL_S)
        under_way = "an earlier push is still under way" if row is None else f"{row.tx_hash} is in no block yet"
        notes = "; ".join(r.note for r in journal.watched_pushes(self._name) if r.note)
        under_way += f" ({notes})" if notes else ""
        raise ArmError(f"{under_way} after {_POLLS} s: run this again, or look with `lrt-oracle check`")

    def _client(self, signer: GasSigner | None) -> StoreClient:
        target = self._target
        return StoreClient(
            self._endpoints, self._domain, signer, max_fee_gwei=target.max_fee_gwei, agree=target.agree,
            tip_percentile=target.tip_percentile, relays=target.relays,
        )  # fmt: skip


def _armed_row(journal: Database, row: PushRow) -> PushRow | None:
    """The row that armed the set; None while it may still. A replacement with a higher fee counts."""
    rows = [r for r in journal.pushes(row.target) if r.nonce == row.nonce and r.id >= row.id]
    armed = next((r for r in rows if r.state == PushState.ARMED), None)
    if armed is None and not any(r.state in OPEN for r in rows):
        outcomes = "; ".join(f"{r.tx_hash} {r.state}" + (f": {r.note}" if r.note else "") for r in rows)
        raise ArmError(f"it came to nothing ({outcomes}): run this again to see what is to come now")
    return armed


def _still_open(coming: NextSignerSet | None, target: str, at_s: int) -> NextSignerSet:
    """The set, if it can be armed at that time (Unix s)."""
    if coming is None:
        raise NothingToCome(f"no signer set is to come at the store of {target}: there is nothing to arm")
    epoch = coming.signers.epoch
    if coming.armed:
        raise AlreadyArmed(
            f"epoch {epoch} takes over at {coming.from_s} (Unix s): it is armed already, or needs no arming"
        )
    if coming.is_late(at_s):
        raise TooLate(
            f"epoch {epoch} was due at {coming.from_s} (Unix s), and it is {at_s}: a set is armed more than 30 s before, so"
            " this one never takes over; have the owner set the signers again"
        )
    return coming
