"""What was posted beside what this machine has heard and signed of the epoch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import BadGrounds, check_grounds, read_words
from oracle.rewards.posted import PostedReport
from oracle.rewards.roots.words import AttendedWords, RootSigned, RootVotes, RootWord
from oracle.sign.epoch_words import SignedAttendance, VoteKind


def root_faults(posted: PostedReport, kept: Iterable[RootWord]) -> Iterator[str]:
    """Other reports that were decided here: by whose signatures."""
    for word in kept:
        if isinstance(word, RootSigned) and word.root != posted.root:
            yield f"0x{word.address.hex()} has signed root 0x{word.root.hex()}, which was decided here"


def word_notes(frozen: FrozenEpoch, posted: PostedReport, kept: Iterable[RootWord]) -> Iterator[str]:
    """Members' words that were heard here and are not what was posted. They may have come too late, or a member has said two."""
    try:
        used = {w.address: w.said for w in check_grounds(frozen, posted.grounds).grounds.words}
    except BadGrounds:
        return
    heard: dict[bytes, list[SignedAttendance]] = {}
    for word in (w for k in kept if isinstance(k, AttendedWords) for w in read_words(frozen, k.words)):
        heard.setdefault(word.address, []).append(word)
    for key, words in heard.items():
        if key not in used:
            yield f"the word of 0x{key.hex()} was heard here, and is not among what was posted"
        elif all(w.said != used[key] for w in words):
            yield f"the word of 0x{key.hex()} is another one than was heard here"


def decided_grounds(kept: Iterable[RootWord]) -> bytes:
    """Grounds that members have decided on by themselves; b"" where they have not, as far as is known here."""
    found = (w.grounds for w in kept if isinstance(w, RootVotes) and w.kind is VoteKind.COMMIT)
    return next(found, b"")
