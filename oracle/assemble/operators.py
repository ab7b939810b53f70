"""The operators of the config: the key of each opened and locked, beside the journal of what it has signed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import structlog

from oracle.assemble.journals import mute_ms
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.operator_sections import OperatorSection
from oracle.config.tables.schema import ConfigError, Problem
from oracle.runtime.clock import Clock
from oracle.runtime.private_files import private_folder
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.journal_witness import JournalWitness, witness_folder
from oracle.sign.key_lock import KeyLock
from oracle.sign.operator import Operator
from oracle.sign.remote.open_key import open_key, remote_report_key_ms
from oracle.sign.remote_operator import RemoteOperator
from oracle.sign.sign_journal import SignJournal
from oracle.storage.database import Database

_log = structlog.get_logger("oracle.assemble.operators")


class OperatorBuilder:
    """Makes the operators whose keys are at hand.

    Args:
        resolved: the checked config.
        environ: where passphrases are.
        clock: the time of the process.
        database: what the keys are known to have signed.
        opened: takes what has to be closed again.

    Attributes:
        made: the operators that have a key here.
        owners: the operator of each report key, by address.
    """

    def __init__(
        self,
        resolved: ResolvedConfig,
        environ: Mapping[str, str],
        clock: Clock,
        database: Database,
        opened: ExitStack,
    ) -> None:
        self._config, self._environ, self._clock, self._database = resolved.config, environ, clock, database
        self._opened = opened
        self.made: list[Operator] = []
        self.owners: dict[bytes, str] = {}

    def operator(self, section: OperatorSection) -> Operator | None:
        """The operator of a section; None, with a warning, where its passphrase is not given.

        Raises:
            ConfigError: its key is another operator's too.
            KeyfileError: the keyfile does not open, or another process uses the key with another journal.
        """
        operator = self._operator(section)
        if operator is None:
            alone = self._config.network is not None
            _log.warning(
                "no passphrase: this operator signs nothing" + (", and takes no part in the network" if alone else ""),
                operator=section.name, set=section.passphrase_env,
            )  # fmt: skip
        else:
            self.made.append(operator)
        return operator

    def _operator(self, section: OperatorSection) -> Operator | None:
        timeout_ms = remote_report_key_ms(self._config.oracle.round_interval_s)
        remote = open_key(section, self._environ, timeout_ms=timeout_ms, now_ms=self._clock.now_ms)
        if remote is not None:
            journal = self._journal(section, remote.address)
            return RemoteOperator(section.name, remote, journal, bound_bps=section.bound_bps)
        if not keyfiles.has_passphrase(section.passphrase_env, self._environ):
            return None
        key = keyfiles.load(Path(str(section.keyfile)), section.passphrase_env, self._environ)
        return Operator(section.name, key, self._journal(section, address_of(key)), bound_bps=section.bound_bps)

    def _journal(self, section: OperatorSection, key: bytes) -> SignJournal:
        """The sign journal of a report key: locked, and mute for as long as it cannot know what the key has signed."""
        self._claim(key, section.name)
        path = Path(section.journal)
        private_folder(path.parent)
        remote_key = path.with_name(f"0x{key.hex()}.held")  # in the place of a keyfile: this key is elsewhere
        if section.keyfile is None:
            remote_key.touch()
        self._opened.callback(KeyLock(Path(section.keyfile or remote_key), path).close)
        now_ms, sure = self._clock.now_ms(), self._clock.confirmed
        witness = self._witness(key, section.name)
        try:
            journal = SignJournal(
                path, key, now_ms=now_ms, mute_ms=mute_ms(self._config), witness=witness, time_confirmed=sure
            )
        except BaseException:
            if witness is not None:  # a journal that is open closes it
                witness.close()
            raise
        self._opened.callback(journal.close)
        self._compare(journal, section.name, key, witness, now_ms)
        return journal

    def _compare(
        self, journal: SignJournal, operator: str, key: bytes, witness: JournalWitness | None, now_ms: int
    ) -> None:
        """Silence a journal that knows less than its witness or the database: it was restored from a copy."""
        if journal.witnessed_s is not None:
            _log.error(
                "the sign journal is older than what its witness knows of: it was restored; silent for a while",
                operator=operator, signed_up_to=journal.witnessed_s, witness=str(witness and witness.path),
            )  # fmt: skip
        signed_s = self._database.last_signed_s(key)
        if journal.last_round_s() < signed_s:
            _log.error("the sign journal is older than what the key has signed: silent for a while", operator=operator)
            journal.mark_restored(now_ms, signed_s)
        if rest_ms := journal.mute_for_ms(now_ms):
            _log.warning(
                "the operator signs nothing yet: its journal was missing or restored, so nobody knows what its key has signed",
                operator=operator, journal=str(journal.path), for_ms=rest_ms,
            )  # fmt: skip

    def _witness(self, key: bytes, operator: str) -> JournalWitness | None:
        folder = witness_folder(self._config.oracle.witness, self._environ)
        if folder is None:
            _log.warning(
                "no folder for witnesses: a journal that is restored together with the database is noticed only by what"
                " the store holds; set oracle.witness", operator=operator,
            )  # fmt: skip
            return None
        return JournalWitness(folder, key)

    def _claim(self, key: bytes, operator: str) -> None:
        """A keyfile need not state its address: only an open one tells whose it is.

        Raises:
            ConfigError: two operators have one key, and with it two journals.
        """
        owner = self.owners.setdefault(key, operator)
        if owner != operator:
            text = f"0x{key.hex()} is also the key of operator {owner!r}: each operator needs its own"
            raise ConfigError([Problem(f"operators.{operator}.keyfile", text)])
