"""What was posted of epochs, held against what is computed from its grounds and against what was decided here: in the log."""

from __future__ import annotations

import structlog

from oracle.rewards.posted import RewardsReads
from oracle.rewards.recomputed import recompute
from oracle.rewards.roots.compared import root_faults
from oracle.rewards.roots.kept import kept_stakes, kept_words
from oracle.storage.database import Database

_MOST_COMPARED = 20
_log = structlog.get_logger("oracle.rewards.roots.comparison")


class PostedComparison:
    """Reports that are to be compared.

    Args:
        database: with what was read at freezes, and what was decided.
        target: name of the target in it.
    """

    def __init__(self, database: Database, target: str) -> None:
        self._database, self._target = database, target
        self._left: dict[int, int] = {}
        """By epoch: how often its report may still be read, until it has been compared."""

    @property
    def waiting(self) -> list[int]:
        """Epochs whose reports are to be compared."""
        return list(self._left)

    def add(self, epoch: int) -> None:
        """The report of this epoch stays as it is from now on, or none will come."""
        self._left[epoch] = _MOST_COMPARED

    async def compare(self, reads: RewardsReads, epoch: int) -> None:
        """Compare one: again, where it cannot be read.

        Raises:
            ChainError: it cannot.
        """
        self._left[epoch] -= 1
        if self._left[epoch] < 0:
            del self._left[epoch]
            _log.warning(
                "the report of an epoch was not compared: it cannot be read from the chain", epoch=epoch, news=True
            )
            return
        posted, frozen = await reads.posted(epoch), await reads.frozen(epoch)
        if posted is None or frozen is None:
            del self._left[epoch]
            _log.warning("an epoch had no report in time: its funds are a later one's", epoch=epoch, news=True)
            return
        kept = kept_words(self._database, self._target, epoch)
        found = await recompute(reads, frozen, posted, kept_stakes(self._database, self._target, frozen))
        del self._left[epoch]
        faults = [*found.faults, *root_faults(posted, kept)]
        if faults:
            _log.error(
                "the posted report of an epoch is not what is computed here",
                epoch=epoch,
                why="; ".join(faults),
                news=True,
            )
        else:
            _log.info("the report of an epoch is posted", epoch=epoch, root="0x" + posted.root.hex())
