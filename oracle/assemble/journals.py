"""The sign journals of a config: which there are, whose they are, and what moves of them need to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from feeds.errors import LrtOracleError
from feeds.units import MS
from oracle.config.check_keys import report_key
from oracle.config.sections import Config
from oracle.config.tables.operator_sections import OperatorSection
from oracle.sign import keyfiles
from oracle.sign.eip712 import address_of
from oracle.sign.journal_moves import LEAST_WINDOW_S
from oracle.sign.journal_witness import JournalWitness, witness_folder
from oracle.sign.key_lock import sole_journal
from oracle.storage.reading import DatabaseReader


class NoOperator(LrtOracleError, RuntimeError):
    """The config does not say whose journal is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSeat:
    """The journal of one operator of a config. ``address``: of its report key."""

    name: str
    path: Path
    address: bytes
    mute_ms: int
    window_s: int
    witness_folder: Path | None
    database: Path

    @contextmanager
    def alone(self) -> Iterator[JournalWitness | None]:
        """Nobody else has the journal; its witness, where there is a folder for one."""
        with sole_journal(self.path):
            witness = None if self.witness_folder is None else JournalWitness(self.witness_folder, self.address)
            try:
                yield witness
            finally:
                if witness is not None:
                    witness.close()

    def known_s(self) -> int:
        """The newest round_time of which the database knows that the key has signed it; 0 without one."""
        if not self.database.is_file():
            return 0
        with closing(DatabaseReader(self.database)) as database:
            return database.last_signed_s(self.address)


def mute_ms(config: Config) -> int:
    """For so long a batch that a key may have signed can still reach a store."""
    longest_s = max((t.max_push_age_s for t in config.targets.values()), default=0)
    return (longest_s + config.oracle.round_interval_s) * MS


def journal_seats(config: Config, environ: Mapping[str, str]) -> list[JournalSeat]:
    """Of every operator. A keyfile that does not state its address is opened.

    Raises:
        KeyfileError: it does not open.
    """
    return [_seat(config, o, environ) for o in config.operators]


def journal_seat(config: Config, name: str | None, environ: Mapping[str, str]) -> JournalSeat:
    """Of one operator: the one of that name, or the only one.

    Raises:
        NoOperator: there is none, or there are several and none is named.
        KeyfileError: as of `journal_seats`.
    """
    known = [o.name for o in config.operators]
    for operator in config.operators:
        if name == operator.name or (name is None and len(known) == 1):
            return _seat(config, operator, environ)
    if not known:
        raise NoOperator("no [[operators]] in the config: name the operator there whose journal it is")
    raise NoOperator(f"say whose journal: --operator {' or '.join(known)}")


def _seat(config: Config, operator: OperatorSection, environ: Mapping[str, str]) -> JournalSeat:
    stated = report_key(operator)
    if stated is None:
        key = keyfiles.load(Path(str(operator.keyfile)), operator.passphrase_env, environ, only_looks=True)
        stated = address_of(key).hex()
    return JournalSeat(
        name=operator.name, path=Path(operator.journal), address=bytes.fromhex(stated), mute_ms=mute_ms(config),
        window_s=max(LEAST_WINDOW_S, 2 * mute_ms(config) // MS),
        witness_folder=witness_folder(config.oracle.witness, environ), database=Path(config.oracle.database),
    )  # fmt: skip
