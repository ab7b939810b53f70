"""An operator whose report key is not in this process."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.model.types import Report
from oracle.report.wire import encode_items
from oracle.sign.eip712 import NO_TERMS, observed_preimage
from oracle.sign.messages import Refusal, RefusalCode, Signature, SignedValues, SignerSet
from oracle.sign.operator import Operator
from oracle.sign.remote.remote_key import RemoteKey, SignerError
from oracle.sign.sign_journal import SignJournal


class RemoteOperator(Operator):
    """An operator whose report key is elsewhere. Where that does not sign, the operator is mute for the round.

    What it may sign is decided here as for any other operator, and the journal is on disk before the signer is asked: an
    answer that is lost on its way counts as signed.

    Args:
        name: as in the config.
        signer: of the report key.
        journal: what the key has signed.
        bound_bps: how far an agreed price may lie from the operator's own.
    """

    def __init__(self, name: str, signer: RemoteKey, journal: SignJournal, *, bound_bps: int) -> None:
        super().__init__(name, signer.address, journal, bound_bps=bound_bps)
        self._signer = signer

    async def request_values(
        self, signers: SignerSet, round_time_s: int, view: Mapping[int, Report], terms: bytes = NO_TERMS
    ) -> SignedValues | Refusal:
        """As Operator.request_values: one request to the signer."""
        if (refusal := self.outlived(signers, round_time_s)) is not None:
            return refusal
        items = encode_items(view)
        at = (signers.domain, signers.epoch, round_time_s)
        try:
            signature = await self._signer.sign_compact(observed_preimage(*at, items, terms=terms))
        except SignerError as e:
            return self.refuse(RefusalCode.SIGNER, f"mute for round {round_time_s}: {e}")
        return self._values(round_time_s, items, terms, signature)

    async def _sign_preimage(self, preimage: bytes) -> Signature | Refusal:
        """One request to the signer."""
        try:
            return self._signature(await self._signer.sign_compact(preimage))
        except SignerError as e:
            return self.refuse(RefusalCode.SIGNER, str(e))

    async def close(self) -> None:
        """Close the connection to the signer."""
        await self._signer.close()
