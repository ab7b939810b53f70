"""The judge's status as docs/methodology.md tells it, written from that text and from nothing of the program."""

from __future__ import annotations

from collections.abc import Iterable

OK, WATCH, DEPEG, HALT = 1, 2, 3, 4
Seen = tuple[int, int | None, bool, bool]
"""Time in ms, what the evidence says (None: there is none), whether there is a price, whether the feed has just been halted."""


def statuses(history: Iterable[Seen], watch_ms: int, depeg_ms: int, leave_ms: int) -> list[int]:  # noqa: C901, PLR0912 - the text in one piece
    """The status after each round."""
    dwell = {WATCH: watch_ms, DEPEG: depeg_ms}
    empties_in = {WATCH: leave_ms, DEPEG: depeg_ms}
    seen, supposed, said_so = ({WATCH: 0, DEPEG: 0} for _ in range(3))
    status, last, below, out = OK, None, None, []
    for at, word, priced, halted in history:
        if halted and status != HALT:
            status, below = HALT, None
        passed = 1 if last is None else at - last
        last = at
        for level in (WATCH, DEPEG):
            if status != HALT and status >= level:
                seen[level] = supposed[level] = said_so[level] = 0
                continue
            room = dwell[level] + 1 - seen[level] - supposed[level]
            adds = min(passed, max(1, (dwell[level] + 1) // 2), room)
            nothing = word is None or (word < level and not priced)
            if nothing:
                most = adds if level == WATCH else min(adds, seen[level] - supposed[level])
                supposed[level] += most if said_so[level] else 0
            elif word >= level:
                seen[level], said_so[level] = seen[level] + adds, said_so[level] + 1
            else:
                healthy = min(passed, max(1, (empties_in[level] + 1) // 2))
                lost = healthy * dwell[level] // empties_in[level] if empties_in[level] else dwell[level] + 1
                supposed[level], lost = max(0, supposed[level] - lost), max(0, lost - supposed[level])
                seen[level] = max(0, seen[level] - lost)
                if seen[level] == 0:
                    supposed[level] = said_so[level] = 0
        full = {
            s: seen[s] + supposed[s] > dwell[s] and said_so[s] >= (3 if s == DEPEG and depeg_ms else 1) for s in dwell
        }
        half = {s: 2 * (seen[s] + supposed[s]) > dwell[s] for s in dwell}
        before = status
        healthy_for_depeg = priced and word in (OK, WATCH)
        if full[DEPEG] and not healthy_for_depeg and (status == WATCH or (status == HALT and priced)):
            status = DEPEG
        elif status == OK and word != OK and (full[WATCH] or half[DEPEG]):
            status = WATCH
        elif word is not None and word >= status:
            below = None
        elif priced:
            below = 0 if below is None else below + min(passed, max(1, (leave_ms + 1) // 2))
            if below >= leave_ms and status == HALT:
                status = WATCH if word != OK or half[WATCH] or half[DEPEG] else OK
            elif below >= leave_ms and not (status == WATCH and half[DEPEG]):
                status -= 1
        if status != before:
            below = None
            if status != OK:
                seen[WATCH] = supposed[WATCH] = said_so[WATCH] = 0
            if status == DEPEG:
                seen[DEPEG] = supposed[DEPEG] = said_so[DEPEG] = 0
        out.append(status)
    return out
