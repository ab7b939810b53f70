"""An operator that lies whenever it leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feeds.units import BPS, Wad
from oracle.agree.messages import Content, Propose
from oracle.agree.terms import Terms
from oracle.network.seats import LocalMember, Utterance
from oracle.report.wire import decode_items, encode_items

_LIE_BPS = 300


class Liar(LocalMember):
    """An operator that leads with prices 3 % too high. It signs honestly when others lead, so that it is not excluded."""

    def utter(self, terms: Terms, said: Utterance) -> Sequence[tuple[Utterance, frozenset[bytes] | None]]:
        """As it is, but for proposals: those are shifted."""
        if not isinstance(said, Propose):
            return super().utter(terms, said)
        content = Content(said.content.values, shifted(said.content.items, terms.round_time_s), said.content.dropped)
        lie = Propose(said.address, said.step, content, said.advances, said.certificate, said.readies)
        return [(self.signed(terms, lie, None), None)]


def shifted(items: bytes, round_time_s: int, bps: int = _LIE_BPS) -> bytes:
    """The same items with another market price."""
    reports = decode_items(items, round_time_s)
    return encode_items({i: replace(r, market_wad=Wad(r.market_wad * (BPS + bps) // BPS)) for i, r in reports.items()})
