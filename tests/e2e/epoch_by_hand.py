"""The report of an epoch, made as `lrt-oracle report` makes it: every machine says who was there, one proposes, the others sign."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from demo.fleet.fleet import Fleet
from demo.fleet.process import OperatorProcess
from feeds.chains.abi import checksummed
from oracle.assemble.operators import OperatorBuilder
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.config import sections
from oracle.config.resolve import resolve
from oracle.rewards.grounds import encoded_word
from oracle.rewards.manual import EpochView, ManualReport, ReportDesk, ReportRefused
from oracle.rewards.posted import RewardsReads
from oracle.runtime.clock import Clock
from oracle.sign.eip712 import Domain
from oracle.sign.signed_batch import packed_signatures
from oracle.storage.database import Database

_TARGET = "local"


async def epoch_report(fleet: Fleet, contract: str, epoch: int, operators: Sequence[OperatorProcess]) -> ManualReport:
    """Have these operators, whose processes go on, report an epoch that has ended.

    Raises:
        ReportRefused: they do not come to signatures of weight T.
    """
    view = await _view(fleet, contract, epoch)
    words, found = b"", None
    for operator in operators:
        said = await _at_its_desk(view, operator, words, found, propose=False)
        words = _words(said)
    for number, operator in enumerate(operators):
        found = await _at_its_desk(view, operator, words, found, propose=number == 0)
        if found.suffices:
            return found
    notes = "" if found is None else "; ".join(found.notes)
    raise ReportRefused(f"epoch {epoch} is not signed by weight T: {notes}")


def posting(done: ManualReport) -> tuple[Any, ...]:
    """Arguments of ``Rewards.post``.

    Raises:
        ReportRefused: weight T has not signed.
    """
    if done.report is None or not done.suffices:
        raise ReportRefused("weight T has not signed the report")
    said, signers = done.report.word, done.view.frozen.signers
    absent = [checksummed(a) for a in said.absent]
    return said.epoch, said.root, absent, done.report.grounds.raw, packed_signatures(signers, done.signed)


def _words(said: ManualReport) -> bytes:
    frozen = said.view.frozen
    return b"".join(encoded_word(frozen, said.words[k]) for k in frozen.keys if k in said.words)


async def _view(fleet: Fleet, contract: str, epoch: int) -> EpochView:
    nodes = QuorumRpc((fleet.node.url,), chain_id=fleet.world.chain_id)
    try:
        domain = Domain(chain_id=fleet.world.chain_id, store=bytes.fromhex(fleet.deployment.store[2:]))
        reads = await RewardsReads.open(nodes, bytes.fromhex(contract[2:]), domain)
        frozen, ended_s = await reads.frozen(epoch), await reads.ended_s(epoch)
        if frozen is None or ended_s is None:
            raise ReportRefused(f"epoch {epoch} was not frozen, or has not ended")
        stakes, pots = await reads.stakes(frozen), await reads.pots(epoch)
    finally:
        await nodes.close()
    return EpochView(frozen=frozen, stakes=stakes, pots=pots, ended_s=ended_s)


async def _at_its_desk(
    view: EpochView, operator: OperatorProcess, words: bytes, found: ManualReport | None, *, propose: bool
) -> ManualReport:
    """What one machine says and signs, with what others did."""
    resolved = resolve(sections.load(operator.config))
    with ExitStack() as opened:
        database, clock = Database(operator.database), Clock()
        opened.callback(database.close)
        builder = OperatorBuilder(resolved, operator.environ, clock, database, opened)
        for section in resolved.config.operators:
            builder.operator(section)
        desk = ReportDesk(view, builder.made, database, _TARGET, clock.now_ms())
        grounds = signatures = b""
        if found is not None and found.report is not None:
            grounds = found.report.grounds.raw
            signatures = packed_signatures(view.frozen.signers, found.signed)
        return await desk.report(words, grounds, signatures, propose=propose)
