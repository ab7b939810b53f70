"""Words that come before their round has begun: kept, and judged once it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oracle.agree.ask import RoundAsk
from oracle.agree.wire import ValuesWord, encode
from oracle.report.wire import encode_item
from tests.oracle.network.agreement_world import ApartWorld, ask_of
from tests.oracle.report.reports import report
from tests.oracle.sign.sign_world import KEYS, ROUND_S, SIGNERS, scripted_operators

A, B, C = SIGNERS.signers
NEXT_S = ROUND_S + 10


def ask(round_s: int) -> RoundAsk:
    seen = {0: replace(report(), round_time_s=round_s)}
    return ask_of(SIGNERS, round_s, {f"op{i}": seen for i in range(len(KEYS))})


async def test_a_false_word_that_came_early_is_counted_against_its_sender_once_its_round_begins(tmp_path: Path) -> None:
    world = ApartWorld.of(scripted_operators(tmp_path))
    terms = (await world.agree(ask(ROUND_S)))[A].terms
    refused: list[tuple[bytes, str]] = []
    inbox = world.processes[A].inbox
    inbox.on_refused = lambda sender, why: refused.append((sender, why))
    false = ValuesWord(C, terms.rules.version, terms.rules.digest, encode_item(0, report()), bytes(64))
    assert inbox.receive(B, encode(terms.binding, NEXT_S, false)) == ""
    assert inbox.receive(B, encode(bytes(32), NEXT_S, false)) == ""
    assert refused == []
    assert (await world.agree(ask(NEXT_S)))[A].sealed is not None
    assert [sender for sender, _ in refused] == [B, B]
    assert refused[1][1] == "it knows another signer set or other feeds of the store"
