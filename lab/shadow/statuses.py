"""Every change of the published status with its reason, how long it stood, and what references said then; and where no price was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from feeds.types import Kind
from feeds.units import deviation_bps_away, wad_text
from lab.shadow.rounds import ShadowRound
from oracle.model.status import Status

Document = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class StatusChanges:
    """Changes, time in each status, and stretches without a price.

    Args:
        sides: which of our prices each reference is compared with, by its name.
        gap_s: rounds further apart have a gap between them: how long a status stood in there is not known.

    Attributes:
        status_s: seconds in each status, gaps left out.
        covered_s: seconds between rounds without a gap; ``gaps``: (from, to) of each.
        priced: rounds with a price of their own.
    """

    sides: dict[str, Kind]
    gap_s: int
    status_s: Counter[str] = field(default_factory=Counter)
    covered_s: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    rounds: int = 0
    priced: int = 0
    changes: list[Document] = field(default_factory=list)
    silences: list[Document] = field(default_factory=list)
    no_price: Counter[str] = field(default_factory=Counter)
    _texts: dict[str, str] = field(default_factory=dict)
    _last: ShadowRound | None = None
    _owns: dict[Kind, int] = field(default_factory=dict)

    def add(self, r: ShadowRound) -> None:
        """The next round."""
        last = self._last
        if last is not None:
            self._between(last, r)
        self.rounds += 1
        self.priced += bool(r.price_wad)
        self._owns |= {side: own for side in (Kind.MARKET, Kind.REDEMPTION) if (own := r.own(side))}
        before = last.status if last is not None else None
        if r.status is not None and r.status is not before and last is not None:
            self._change(r, before)
        self._silence(r)
        self._last = r

    def _between(self, last: ShadowRound, r: ShadowRound) -> None:
        spacing = r.at_s - last.at_s
        if spacing > self.gap_s:
            self.gaps.append((last.at_s, r.at_s))
            return
        self.covered_s += spacing
        self.status_s[last.status.word if last.status is not None else "none"] += spacing

    def _change(self, r: ShadowRound, before: Status | None) -> None:
        self.changes.append(
            {
                "at": r.at_s,
                "before": before.word if before is not None else None,
                "after": r.status.word if r.status is not None else None,
                "reasons": [{"code": reason.code.name, "text": reason.text} for reason in r.reasons],
                "stood_s": None,
                "references": [self._said(r, place) for place in range(len(self.sides))],
            }
        )

    def _said(self, r: ShadowRound, place: int) -> Document:
        name, side = list(self.sides.items())[place]
        word, own = r.words[place], self._owns.get(side, 0)
        off = deviation_bps_away(word.price_wad, own) if word.price_wad and own else None
        return {
            "reference": name,
            "price": wad_text(word.price_wad) if word.price_wad else None,
            "off_bps": off,
            "fault": word.fault or None,
        }

    def _silence(self, r: ShadowRound) -> None:
        if r.price_wad:
            return
        code = r.why or "NO_PRICE_IN_MODE"
        self.no_price[code] += 1
        self._texts.setdefault(code, r.text)
        newest = self.silences[-1] if self.silences else None
        last = self._last
        is_on = last is not None and not last.price_wad and r.at_s - last.at_s <= self.gap_s
        if newest is not None and is_on and newest["code"] == code:
            newest["to"], newest["rounds"] = r.at_s, newest["rounds"] + 1
        else:
            self.silences.append({"code": code, "from": r.at_s, "to": r.at_s, "rounds": 1, "text": r.text})

    def finish(self) -> None:
        """Say how long each status stood: until the next change, or at least until the data end."""
        last = self._last
        for i, change in enumerate(self.changes):
            following = self.changes[i + 1] if i + 1 < len(self.changes) else None
            until_s = following["at"] if following is not None else last.at_s if last is not None else change["at"]
            change["stood_s"] = until_s - change["at"]
            change["is_over"] = following is not None
            change["had_gap"] = any(change["at"] <= begin < until_s for begin, _ in self.gaps)

    def document(self) -> Document:
        """As JSON."""
        silent = self.rounds - self.priced
        return {
            "rounds": self.rounds,
            "priced": self.priced,
            "covered_s": self.covered_s,
            "gaps": [{"from": a, "to": b} for a, b in self.gaps],
            "status_s": dict(self.status_s),
            "status_changes": self.changes,
            "no_price_share": round(silent / self.rounds, 6) if self.rounds else None,
            "no_price": [{"code": c, "rounds": n, "text": self._texts[c]} for c, n in self.no_price.most_common()],
            "silences": longest(self.silences),
        }


def longest(silences: Sequence[Document], most: int = 20) -> list[Document]:
    """The longest stretches without a price, by time."""
    kept = sorted(silences, key=lambda s: (s["from"] - s["to"], s["from"]))[:most]
    return sorted(kept, key=lambda s: int(s["from"]))
