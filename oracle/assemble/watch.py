"""The watch over the operators of the home store: what is known of the last hour, and how each is reached."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version

import structlog

from feeds.units import MS
from oracle.agree.outcome import RoundOutcome, name_of
from oracle.assemble.network import home_store
from oracle.config.check_keys import report_key
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.network.absence import AbsenceReporter
from oracle.network.agreements import Agreements
from oracle.network.operator_network import OperatorNetwork
from oracle.network.stored_rounds import recall
from oracle.network.tally import Tally
from oracle.rewards.stored import save_attended
from oracle.runtime.clock import Clock
from oracle.serve.operators import UNKNOWN, OperatorRow, OperatorsView, OperatorWatch
from oracle.sign.operator import Operator
from oracle.storage.database import Database

_log = structlog.get_logger("oracle.assemble.watch")


class _Recent:
    """A view that is at most a second old: every reader of the prices asks whether all is well.

    Args:
        look: makes a new one.
        now_ms: of a clock that nobody sets.
    """

    def __init__(self, look: Callable[[], OperatorsView], now_ms: Callable[[], int]) -> None:
        self._look, self._now_ms = look, now_ms
        self._held: tuple[int, OperatorsView] | None = None

    def view(self) -> OperatorsView:
        """The last one, or a new one."""
        now_ms = self._now_ms()
        if self._held is None or now_ms - self._held[0] >= MS:
            self._held = (now_ms, self._look())
        return self._held[1]


def operator_watch(
    resolved: ResolvedConfig,
    clock: Clock,
    database: Database,
    *,
    operators: Sequence[Operator],
    agreements: Agreements,
    network: OperatorNetwork | None,
    tally: Tally,
    keyless: Sequence[str] = (),
) -> Callable[[], OperatorsView | None]:
    """What to ask for the operators as they are now. The tally begins with what the database knows.

    ``keyless``: names of the config's operators that have no key here; where all are, the database alone is asked.
    """
    home = home_store(resolved)
    own = {o.address: o.name for o in operators} if network is not None else {}
    agreements.on_settled = partial(_settled, tally, AbsenceReporter(own), database)
    if home is None:
        return lambda: None
    name_members(tally, resolved)
    tally.names |= {o.address: o.name for o in operators}
    recall(tally, database, resolved.config.targets, clock.now_ms() // MS, home.target)
    watch = OperatorWatch(
        tally,
        home.target,
        operators,
        agreements,
        network,
        unable=lambda o: "" if (no := o.unable(clock.now_ms(), clock_ok=clock.may_sign())) is None else no.text,
        build=version("lrt-oracle"),
        keyless=keyless,
    )
    return _Recent(watch.view, clock.monotonic_ms).view


def _settled(tally: Tally, absence: AbsenceReporter, database: Database, outcome: RoundOutcome) -> None:
    tally.note(outcome)
    absence.note(outcome)
    try:
        save_attended(database, outcome)
    except sqlite3.Error as e:  # whoever counts rounds costs none
        _log.warning("who signed a round is not stored", round_time=outcome.terms.round_time_s, why=str(e))


def name_members(tally: Tally, resolved: ResolvedConfig) -> None:
    """Names of other operators, as the config has them."""
    network = resolved.config.network
    tally.names |= {raw_address(p.address): n for n, p in network.peers.items()} if network is not None else {}


def stored_view(resolved: ResolvedConfig, database: Database, now_s: int) -> OperatorsView | None:
    """The operators as far as the database of a process that does not run knows them: those of the config first."""
    home = home_store(resolved)
    if home is None:
        return None
    tally = Tally()
    name_members(tally, resolved)
    own = {bytes.fromhex(key): o.name for o in resolved.config.operators if (key := report_key(o)) is not None}
    tally.names |= own
    recall(tally, database, [home.target], now_s, home.target)
    hour = tally.hour(home.target)
    rows = tuple(
        OperatorRow(
            address=address,
            name=name_of(tally.names, address),
            is_here=address in own,
            weight=hour.newest.signers.weight_of([address]) if hour.newest is not None else None,
            path=UNKNOWN,
            hour=did,
            why=did.why,
        )
        for address, did in sorted(hour.members.items(), key=lambda member: member[0] not in own)
    )
    return OperatorsView(target=home.target, hour=hour, rows=rows, running=False)
