"""What a push has to do without, learnt from what became of those before it: items, spare gas, room for the base fee."""

from __future__ import annotations

from oracle.chain.fees import BatchTooBig
from oracle.chain.node_refusals import SendOutcome
from oracle.chain.transaction import FeeConditions


class LearnedLimits:
    """Of one target; forgotten with the process.

    Attributes:
        most_items: that the next batch may have; None for any number.
        small_headroom: see FeeConditions.
        no_spare_gas: see FeeConditions.
    """

    def __init__(self) -> None:
        self.most_items: int | None = None
        self.small_headroom = self.no_spare_gas = False

    def note_too_big(self, items: int, error: BatchTooBig) -> None:
        """A batch of so many items was too big for one transaction."""
        fitting = items * error.most * 9 // (error.gas * 10) if error.gas else items // 2
        self.most_items = max(1, min(fitting, items - 1))

    def note_refused(self, items: int, why: SendOutcome) -> None:
        """No node will ever take a batch of so many items; 0: pokes or an arming, which nothing makes smaller."""
        if items and (
            why in (SendOutcome.TOO_MUCH_GAS, SendOutcome.OVERSIZED)
            or (why is SendOutcome.FEE_CAP and self.small_headroom)
        ):
            self.most_items = max(1, items // 2)
        self.small_headroom |= why is SendOutcome.FEE_CAP
        self.no_spare_gas |= why in (SendOutcome.TOO_MUCH_GAS, SendOutcome.FEE_CAP)

    def note_landed(self) -> None:
        """A batch fitted: twice as many items are tried."""
        self.most_items = 2 * self.most_items if self.most_items else None

    def fee_conditions(self, *, urgent: bool, raised_tip: bool) -> FeeConditions:
        """For the next push's fees."""
        return FeeConditions(
            urgent=urgent, raised_tip=raised_tip, small_headroom=self.small_headroom, no_spare_gas=self.no_spare_gas
        )
