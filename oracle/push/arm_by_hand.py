"""Arm the next signer set of a target by hand: what this machine signs, what others have signed, and carrying both."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feeds.chains.abi import checksummed
from feeds.errors import LrtOracleError
from oracle.chain.next_signers import Coming, check_digest, checked, coming_set
from oracle.chain.store_client import Signer, StoreClient
from oracle.config.check_keys import payer_address, report_key
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import OperatorSection, TargetSection
from oracle.model.publication import PushRow
from oracle.push.arming import lacking
from oracle.push.pusher import OPEN, Pusher, PushRules
from oracle.runtime.clock import now_ms
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain, arm_preimage
from oracle.sign.key_lock import DatabaseInUse, sole_writer
from oracle.sign.remote_signer import RemoteSigner, SignerError, compact_of
from oracle.sign.sealing import packed_signatures
from oracle.storage.database import Database

_LOOK_S, _LOOKS = 1.0, 180


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


class NoGasKey(ArmError):
    """Nobody here can pay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What is known of the next set's signatures.

    Attributes:
        coming: the set.
        signed: r | vs by member.
        names: operators of this machine by their address; others have none.
        notes: what could not be signed here, and why.
    """

    coming: Coming
    signed: Mapping[bytes, bytes]
    names: Mapping[bytes, str]
    notes: tuple[str, ...]

    @property
    def weight(self) -> int:
        """Of all who have signed."""
        return self.coming.signers.weight_of(tuple(self.signed))

    @property
    def suffices(self) -> bool:
        """Whether the store takes these signatures."""
        return self.weight >= self.coming.signers.threshold

    def document(self, target: str, sent: PushRow | None) -> dict[str, Any]:
        """As one JSON document; weights and amounts as text."""
        signers = self.coming.signers
        return {
            "target": target,
            "chain_id": signers.domain.chain_id,
            "store": checksummed(signers.domain.store),
            "epoch": signers.epoch,
            "takes_over_at": self.coming.from_s,
            "set": "0x" + self.coming.set_hash.hex(),
            "digest": "0x" + self.coming.digest.hex(),
            "weight": str(self.weight),
            "threshold": str(signers.threshold),
            "signatures": [self._row(i, a) for i, a in enumerate(signers.signers) if a in self.signed],
            "missing": [
                {"address": checksummed(a), "weight": str(w)}
                for a, w in zip(signers.signers, signers.weights, strict=True)
                if w and a not in self.signed
            ],
            "notes": list(self.notes),
            "calldata": "0x" + self.coming.call(self.signed).hex() if self.suffices else None,
            "sent": None if sent is None else {"tx": sent.tx_hash, "block": sent.block, "gas_used": sent.gas_used},
        }

    def _row(self, index: int, member: bytes) -> dict[str, Any]:
        signers = self.coming.signers
        return {
            "operator": self.names.get(member),
            "address": checksummed(member),
            "index": index,
            "weight": str(signers.weights[index]),
            "signature": "0x" + packed_signatures(signers, {member: self.signed[member]}).hex(),
        }

    def lines(self, target: str, sent: PushRow | None) -> list[str]:
        """For people: the set, every signature, and what is to be done."""
        signers, found = self.coming.signers, self.document(target, sent)
        rows = [f"{target}: epoch {signers.epoch} takes over at {self.coming.from_s} (Unix s) if it is armed before"]
        for one in found["signatures"]:
            who = one["operator"] or "given"
            rows.append(f"{who} {one['address']} index {one['index']} weight {one['weight']}")
            rows.append(f"  --signature {one['signature']}")
        rows += [f"note: {n}" for n in self.notes]
        rows.append(
            f"weight {self.weight} of {signers.threshold}" + ("" if self.suffices else f", missing {self._others()}")
        )
        return [*rows, self._next(sent)]

    def _others(self) -> str:
        return lacking(self.coming, self.signed)

    def _next(self, sent: PushRow | None) -> str:
        if sent is not None:
            return f"armed in block {sent.block}: {sent.tx_hash}"
        if self.suffices:
            return (
                "enough: add --send, or send this to the store from anywhere: 0x" + self.coming.call(self.signed).hex()
            )
        return "take these signatures to another machine of an operator, or its signatures here: --signature 0x..."


class ByHand:
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

    async def gather(self, given: Sequence[bytes]) -> Gathered:
        """Sign with the keys of this machine that are in the set, and add what others have signed.

        Args:
            given: signatures as this command prints them: index 1 | r | vs, one or several after each other.

        Raises:
            NothingToCome: nobody is set to follow.
            AlreadyArmed: it takes over anyway.
            TooLate: 30 s or less are left.
            WrongSignature: one of them is none.
            NotInTheSet: there is nothing to sign with and nothing was given.
            ChainError: the chain does not answer, or somebody lies about the digest.
        """
        client = self._client(None)
        try:
            head = await client.head()
            coming = _open(await coming_set(client, head.number), self._name, head.time_s)
            await check_digest(client, coming, head.number)
        finally:
            await client.close()
        others = checked(coming, given)
        own, names, notes = await self._own(coming)
        if not own and not others:
            said = "; ".join(notes) or f"its members are {lacking(coming, {})}"
            raise NotInTheSet(f"nothing here signs for the set of epoch {coming.signers.epoch}: {said}")
        return Gathered(coming=coming, signed={**others, **own}, names=names, notes=tuple(notes))

    async def _own(self, coming: Coming) -> tuple[dict[bytes, bytes], dict[bytes, str], list[str]]:
        signed: dict[bytes, bytes] = {}
        names: dict[bytes, str] = {}
        notes: list[str] = []
        signers = coming.signers
        preimage = arm_preimage(signers.domain, signers.epoch, coming.set_hash)
        for one in self._config.operators:
            stated = report_key(one)
            if stated is not None and not signers.weight_of((bytes.fromhex(stated),)):
                notes.append(f"{one.name}: 0x{stated} is not in the set of epoch {signers.epoch}")
                continue
            try:
                async with self._report_key(one) as key:
                    if not signers.weight_of((key.address,)):
                        notes.append(f"{one.name}: 0x{key.address.hex()} is not in the set of epoch {signers.epoch}")
                        continue
                    signed[key.address] = compact_of(await key.sign(preimage))
                    names[key.address] = one.name
            except (keyfiles.KeyfileError, SignerError) as e:
                notes.append(f"{one.name}: {e}")
        return signed, names, notes

    @asynccontextmanager
    async def _report_key(self, section: OperatorSection) -> AsyncIterator[Signer]:
        signer: Signer
        if section.signer_url is not None and section.signer_address is not None:
            signer = RemoteSigner(section.signer_url, raw_address(section.signer_address))
        else:
            path = Path(str(section.keyfile))
            signer = keyfiles.LocalSigner(keyfiles.load(path, section.passphrase_env, self._environ))
        try:
            yield signer
        finally:
            await signer.close()

    async def send(self, found: Gathered, payer: tuple[Path, str] | None) -> PushRow:
        """Carry the signatures, and wait until the set is armed.

        The target's own gas key has one queue, that of its database: it is used only while no process runs on that.

        Args:
            found: signatures of enough weight.
            payer: keyfile of another key that pays, and the variable of its passphrase; None for the target's gas key.

        Raises:
            NoGasKey: there is none that may pay now.
            ChainError: the store would not take it, or the chain does not answer.
            ArmError: the transaction came to nothing, or is not in a block after three minutes.
        """
        signer = self._payer(payer)
        own = payer is None or signer.address.hex() == payer_address(self._target)
        if not own:
            self._may_pay(signer.address.hex())
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncExitStack() as stack:
                database = Path(folder) / "arm.db"
                if own:
                    database = Path(self._config.oracle.database)
                    self._hold(stack, database)
                client, store = self._client(signer), Database(database)
                stack.push_async_callback(client.close)
                stack.callback(store.close)
                return await self._carry(client, store, found)

    def _payer(self, payer: tuple[Path, str] | None) -> Signer:
        target = self._target
        if payer is not None:
            return keyfiles.LocalSigner(keyfiles.load(*payer, self._environ))
        if target.signer_url is not None and target.signer_address is not None:
            return RemoteSigner(target.signer_url, raw_address(target.signer_address))
        if target.gas_keyfile is None:
            raise NoGasKey(f"targets.{self._name} has no gas key: give --keyfile PATH of any key with ether")
        return keyfiles.LocalSigner(keyfiles.load(Path(target.gas_keyfile), target.passphrase_env, self._environ))

    def _may_pay(self, payer: str) -> None:
        """Another's queue is not to be disturbed, and a report key has no ether."""
        gas_keys = {payer_address(t): f"the gas key of target {n!r}" for n, t in self._config.targets.items()}
        users = gas_keys | {report_key(o): f"the report key of operator {o.name!r}" for o in self._config.operators}
        if payer in users:
            raise NoGasKey(f"0x{payer} is {users[payer]}: give --keyfile PATH of another key with ether")

    def _hold(self, stack: AsyncExitStack, database: Path) -> None:
        try:
            stack.enter_context(sole_writer(database))
        except DatabaseInUse as e:
            raise NoGasKey(
                f"the gas key of {self._name} has one queue, and a process uses it ({e}): give --keyfile PATH of another key"
                " with ether, as anybody may carry this"
            ) from None

    async def _carry(self, client: StoreClient, store: Database, found: Gathered) -> PushRow:
        rules = PushRules(
            max_push_age_s=self._target.max_push_age_s,
            bump_after_s=self._target.bump_after_s,
            confirmations=self._target.confirmations,
        )
        pusher = Pusher(self._name, client, store, rules, now_ms=now_ms, on_landed=lambda _: None)
        await pusher.start({})
        row: PushRow | None = None
        for _ in range(_LOOKS):
            row = row or await pusher.arm(found.coming.call(found.signed), f"arms epoch {found.coming.signers.epoch}")
            await pusher.poll()
            if row is not None and (done := _outcome(store, row)) is not None:
                return done
            await asyncio.sleep(_LOOK_S)
        under_way = "a push of before is still under way" if row is None else f"{row.tx_hash} is in no block yet"
        notes = "; ".join(r.note for r in store.watched_pushes(self._name) if r.note)
        under_way += f" ({notes})" if notes else ""
        raise ArmError(f"{under_way} after {_LOOKS} s: run this again, or look with `lrt-oracle check`")

    def _client(self, signer: Signer | None) -> StoreClient:
        target = self._target
        return StoreClient(
            self._endpoints, self._domain, signer, max_fee_gwei=target.max_fee_gwei, agree=target.agree,
            tip_percentile=target.tip_percentile, relays=target.relays,
        )  # fmt: skip


def _outcome(store: Database, row: PushRow) -> PushRow | None:
    """The row that armed the set; None while it may still. A replacement with a higher fee counts."""
    rows = [r for r in store.pushes(row.target) if r.nonce == row.nonce and r.id >= row.id]
    armed = next((r for r in rows if r.state == "armed"), None)
    if armed is None and not any(r.state in OPEN for r in rows):
        said = "; ".join(f"{r.tx_hash} {r.state}" + (f": {r.note}" if r.note else "") for r in rows)
        raise ArmError(f"it came to nothing ({said}): run this again to see what is to come now")
    return armed


def _open(coming: Coming | None, target: str, at_s: int) -> Coming:
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
