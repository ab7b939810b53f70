"""The report on a catalogue: what has died, what changed, what is fine; as JSON, as lines, and read back to go on from. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feeds.errors import LrtOracleError
from oracle.check.catalog.findings import EntryResult, EntryState, sentence_of
from oracle.check.catalog.verify import ChainVerdict

_ORDER = (
    EntryState.FINE, EntryState.UNREAD, EntryState.MARKED, EntryState.UNASKED, EntryState.THIN, EntryState.CHANGED,
    EntryState.DEAD,
)  # fmt: skip
"""What needs a reader's eye stands at the end."""
_WIDTH = max(len(s) for s in EntryState)
_ANSWERED = frozenset({EntryState.FINE, EntryState.THIN, EntryState.CHANGED, EntryState.DEAD})
_ONE_DEATH = 5
"""So many entries may die on a chain before it is doubted that it is the chain."""


class ReportError(LrtOracleError, ValueError):
    """A file that is no report of an earlier run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogReport:
    """What was found on all chains."""

    notional: str
    chains: tuple[ChainVerdict, ...]

    @property
    def results(self) -> tuple[EntryResult, ...]:
        """Every entry of every chain."""
        return tuple(r for c in self.chains for r in c.results)

    def of_state(self, state: EntryState) -> tuple[EntryResult, ...]:
        """The entries that are so."""
        return tuple(r for r in self.results if r.state is state)

    @property
    def doubts(self) -> list[str]:
        """Chains on which more has died than lives: rather an endpoint's fault than the catalogue's."""
        return [text for c in self.chains if (text := _doubt(c))]

    @property
    def counts(self) -> dict[str, int]:
        """How many entries are how."""
        found = Counter(r.state for r in self.results)
        return {s.value: found[s] for s in _ORDER}

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "notional": self.notional,
            "counts": self.counts,
            "doubts": self.doubts,
            "chains": [
                {"chain": c.chain, "block": c.block, "requests": c.requests, "failures": c.failures,
                 "entries": len(c.results)}
                for c in self.chains
            ],
            "entries": [r.document() for r in self.results],
        }  # fmt: skip

    def lines(self) -> list[str]:
        """For people: one line an entry, the dead ones last, then what it took and the sums."""
        rows = [row for state in _ORDER for r in self.of_state(state) for row in _rows(r)]
        for chain in self.chains:
            block = f"at block {chain.block}" if chain.block else "at no block"
            rows.append(
                f"{chain.chain}: {len(chain.results)} entries {block}, {chain.requests} requests, {chain.failures} failed"
            )
        return [*rows, *self.doubts, ", ".join(f"{n} {state}" for state, n in self.counts.items() if n)]


def _doubt(chain: ChainVerdict) -> str:
    answered = sum(r.state in _ANSWERED for r in chain.results)
    dead = sum(r.state is EntryState.DEAD for r in chain.results)
    if dead < _ONE_DEATH or 2 * dead <= answered:
        return ""
    return (
        f"{chain.chain}: {dead} of {answered} entries seem to have died at once: that is rather an endpoint's fault (a fork, a"
        " test network, a node that is not synced); ask another one before you believe it"
    )


def _rows(result: EntryResult) -> Iterator[str]:
    told = result.end if result.state is EntryState.MARKED else sentence_of(result)
    yield f"{result.state.value:<{_WIDTH}}  {result.label}: {told}"


def results_of(document: Any) -> Sequence[EntryResult]:
    """The entries of a report's JSON; ReportError for anything else."""
    entries = document.get("entries") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        raise ReportError("is no report of catalog verify: write one with --json")
    try:
        return [EntryResult.of(e) for e in entries]
    except (KeyError, TypeError, ValueError) as e:
        raise ReportError(f"is no report of catalog verify ({type(e).__name__}: {e}): write one with --json") from None
