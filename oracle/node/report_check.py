"""Whether a signed report that an operator handed on is one: signatures of enough weight by the chain's own set. Pure but for the set."""

from __future__ import annotations

import msgspec

from oracle.follow.store_sets import SetUnknown, StoreSets
from oracle.follow.told_round import RefusedRound, raw_bytes
from oracle.report.wire import decode_items
from oracle.serve.error_codes import ErrorCode
from oracle.serve.evidence import push_call, report_document
from oracle.serve.web import HttpProblem
from oracle.sign.eip712 import BadSignature, batch_digest, recover

_HEAD, _EACH = 10, 65
"""Bytes of a batch before its items, and of one packed signature: the signer's index, then 64."""


class ToldReport(msgspec.Struct, frozen=True):
    """What of a signed report is held against the chain, and against what it says of itself."""

    feed: str
    item: dict[str, object]
    chain_id: str
    store: str
    epoch: str
    index: int
    batch: str
    signatures: str
    calldata: str


class ReportCheck:
    """Holds reports against a store's signer set.

    Args:
        sets: of the store.
    """

    def __init__(self, sets: StoreSets) -> None:
        self._sets = sets

    async def check(self, feed: str, body: bytes) -> None:
        """HttpProblem where it counts for nothing, or is of another feed."""
        try:
            told = msgspec.json.decode(body, type=ToldReport)
            why = await self._fault(feed, told)
        except (msgspec.DecodeError, RefusedRound, SetUnknown, BadSignature, ValueError) as e:
            why = str(e)[:200] or "it is no signed report"
        if why:
            raise HttpProblem(503, ErrorCode.NOT_HERE, f"its report does not verify: {why}")

    async def _fault(self, feed: str, told: ToldReport) -> str:
        domain = self._sets.domain
        if (told.chain_id, raw_bytes(told.store)) != (str(domain.chain_id), domain.store):
            return "it is for another store"
        batch, packed = raw_bytes(told.batch), raw_bytes(told.signatures)
        epoch, round_s, items = int.from_bytes(batch[:6], "big"), int.from_bytes(batch[6:_HEAD], "big"), batch[_HEAD:]
        signers = await self._sets.signers_at(round_s)
        if epoch != signers.epoch or told.epoch != str(epoch):
            return f"it is of epoch {epoch}, and its round is of epoch {signers.epoch}"
        feeds = await self._sets.feeds_with([told.index])
        reports = decode_items(items, round_s)
        if list(reports) != [told.index] or feeds.get(feed) != told.index or len(packed) % _EACH:
            return "its batch is not of this feed alone"
        if (told.feed, told.item) != (feed, report_document(reports[told.index])):
            return "what it says in words is not what was signed"
        digest, signed = batch_digest(domain, epoch, round_s, items), set[bytes]()
        for at in range(0, len(packed), _EACH):
            address = signers.signers[packed[at]] if packed[at] < len(signers.signers) else b""
            if recover(digest, packed[at + 1 : at + _EACH]) != address:
                return "a signature in it is not its signer's"
            signed.add(address)
        if (weight := signers.weight_of(tuple(signed))) < signers.threshold:
            return f"weight {weight} signed it, and {signers.threshold} is needed"
        return "" if raw_bytes(told.calldata) == push_call(batch, packed) else "its call is another one"
