"""Many states of a search at once: a state is the numbers of its members' local states in one word of 64 bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Packed = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

_BITS = 21
_LOW = (1 << _BITS) - 1


def pack(columns: Iterable[Numbers]) -> Packed:
    """Three columns of numbers below 2^21, a word for each row."""
    a, b, c = columns
    if max(int(x.max(initial=0)) for x in (a, b, c)) > _LOW:
        raise OverflowError("more local states than a word has room for")
    return ((a << 2 * _BITS) | (b << _BITS) | c).astype(np.uint64)


def unpack(words: Packed) -> list[Numbers]:
    """The three columns of such words."""
    whole = words.astype(np.int64)
    return [whole >> 2 * _BITS, (whole >> _BITS) & _LOW, whole & _LOW]


@dataclass(slots=True)
class Known:
    """All states that were reached. Kept as a few sorted runs, each much larger than the next, so that adding is cheap."""

    runs: list[Packed] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(run) for run in self.runs)

    def add(self, words: Packed) -> Packed:
        """Those that are new, ascending, each once."""
        new = np.unique(words)
        for run in self.runs:
            at = np.searchsorted(run, new)
            new = new[run[np.minimum(at, len(run) - 1)] != new]
        if not len(new):
            return new
        run = new
        while self.runs and len(self.runs[-1]) < 4 * len(run):
            run = np.sort(np.concatenate([self.runs.pop(), run]), kind="stable")
        self.runs.append(run)
        return new


@dataclass(slots=True)
class Lists:
    """For each key a list of numbers, found once for all keys of one likeness."""

    likeness: Callable[[int, int, int], int]
    find: Callable[[int], list[int]]
    _at: dict[int, int] = field(default_factory=dict)
    _at_likeness: dict[int, int] = field(default_factory=dict)
    _flat: list[int] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _lengths: list[int] = field(default_factory=list)

    def of(self, columns: Iterable[Numbers]) -> tuple[Numbers, Numbers]:
        """Rows and numbers: each row as often as its key's list is long, beside the numbers of that list."""
        keys, row_keys = np.unique(pack(columns), return_inverse=True)
        columns = (c.tolist() for c in unpack(keys))
        places = np.array(
            [self._place(w, key) for w, key in zip(keys.tolist(), zip(*columns, strict=True), strict=True)]
        )
        starts, lengths = np.array(self._starts)[places][row_keys], np.array(self._lengths)[places][row_keys]
        rows = np.repeat(np.arange(len(row_keys)), lengths)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return rows, np.array(self._flat, dtype=np.int64)[np.repeat(starts, lengths) + within]

    def _place(self, word: int, key: tuple[int, int, int]) -> int:
        if word not in self._at:
            likeness = self.likeness(*key)
            if likeness not in self._at_likeness:
                numbers = self.find(likeness)
                self._at_likeness[likeness] = len(self._starts)
                self._starts.append(len(self._flat))
                self._lengths.append(len(numbers))
                self._flat.extend(numbers)
            self._at[word] = self._at_likeness[likeness]
        return self._at[word]


@dataclass(slots=True)
class Column:
    """A figure of each local state, found once; local states become more as the search goes on."""

    find: Callable[[int], int]
    _figures: list[int] = field(default_factory=list)

    def of(self, numbers: Numbers) -> Numbers:
        """The figures of these."""
        while len(self._figures) <= int(numbers.max(initial=-1)):
            self._figures.append(self.find(len(self._figures)))
        return np.array(self._figures, dtype=np.int64)[numbers]
