"""What was found of an entry of the catalogue: one word for its state, and the sentences behind it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EntryState(StrEnum):
    """How an entry is, from the best to the worst; the worst of its findings is the entry's own."""

    FINE = "fine"
    UNREAD = "unread"
    """Nothing here can read it: it has no address, or no adapter for its kind."""
    UNASKED = "unasked"
    """An endpoint failed: nothing is known, so nothing is said."""
    THIN = "thin"
    """A pool that trades, but does not carry the notional that was asked for."""
    CHANGED = "changed"
    """It answers, and something else than the catalogue says."""
    DEAD = "dead"
    """No code, reverting, paused, drained, or an answer that is too old."""
    MARKED = "marked"
    """Dead, as the catalogue says already."""


_WORST = tuple(EntryState)[: tuple(EntryState).index(EntryState.DEAD) + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFinding:
    """One thing that was looked at: ``what``, how it is, and a sentence."""

    state: EntryState
    what: str
    text: str


def fine(what: str, text: str) -> EntryFinding:
    """As the catalogue says."""
    return EntryFinding(state=EntryState.FINE, what=what, text=text)


def changed(what: str, text: str) -> EntryFinding:
    """Something else than the catalogue says."""
    return EntryFinding(state=EntryState.CHANGED, what=what, text=text)


def dead(what: str, text: str) -> EntryFinding:
    """It can no longer be used."""
    return EntryFinding(state=EntryState.DEAD, what=what, text=text)


def unread(what: str, text: str) -> EntryFinding:
    """Nothing here can read it."""
    return EntryFinding(state=EntryState.UNREAD, what=what, text=text)


def unasked(what: str, text: str) -> EntryFinding:
    """An endpoint gave no answer."""
    return EntryFinding(state=EntryState.UNASKED, what=what, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryResult:
    """An entry with everything that was found of it.

    Attributes:
        label: kind, name and chain: ``pool uniswap_v3 wstETH/WETH 0.01% on ethereum``.
        kind, name, chain: its parts; the chain by the catalogue's name.
        end: the sentence with which the catalogue marks it dead; empty where it does not.
        block, block_ms: what was read, and its time, Unix ms; 0 where nothing was.
        findings: in the order of the questions.
    """

    label: str
    kind: str
    name: str
    chain: str
    end: str
    block: int
    block_ms: int
    findings: tuple[EntryFinding, ...]

    @property
    def state(self) -> EntryState:
        """The worst of the findings; an end that the catalogue knows is no news, and life after it is."""
        worst = worst_of(self.findings)
        if not self.end:
            return worst
        if worst in {EntryState.FINE, EntryState.CHANGED}:
            return EntryState.CHANGED
        return worst if worst is EntryState.UNASKED else EntryState.MARKED

    @property
    def has_unasked(self) -> bool:
        """Whether a question of it is still open."""
        return any(f.state is EntryState.UNASKED for f in self.findings)

    @property
    def told(self) -> tuple[EntryFinding, ...]:
        """The findings behind the state; all of them where it is fine."""
        if self.end and self.state is EntryState.CHANGED:
            return (changed("end", f"answers, and the catalogue says that it {self.end}"), *self.findings)
        worst = worst_of(self.findings)
        return tuple(f for f in self.findings if f.state is worst)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "label": self.label,
            "kind": self.kind,
            "name": self.name,
            "chain": self.chain,
            "state": self.state.value,
            "end": self.end,
            "block": self.block,
            "block_ms": self.block_ms,
            "findings": [{"state": f.state.value, "what": f.what, "text": f.text} for f in self.findings],
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> EntryResult:
        """From its JSON; KeyError, TypeError or ValueError for anything else."""
        findings = tuple(
            EntryFinding(state=EntryState(f["state"]), what=str(f["what"]), text=str(f["text"]))
            for f in document["findings"]
        )
        texts = {k: str(document[k]) for k in ("label", "kind", "name", "chain", "end")}
        block, block_ms = int(document["block"]), int(document["block_ms"])
        return cls(**texts, block=block, block_ms=block_ms, findings=findings)


def worst_of(findings: Sequence[EntryFinding]) -> EntryState:
    """The worst state among findings; unread where there is none."""
    return max((f.state for f in findings), key=_WORST.index, default=EntryState.UNREAD)


def sentence_of(result: EntryResult) -> str:
    """The findings behind a state as one text, each after what it is about, and none twice."""
    whats: dict[str, list[str]] = {}
    for finding in result.told:
        whats.setdefault(finding.text, []).append(finding.what)
    return "; ".join(f"{', '.join(dict.fromkeys(what))}: {text}" for text, what in whats.items())
