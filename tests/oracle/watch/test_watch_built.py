"""Every process with operators watches, from its parts on: what is heard reaches its database, its metrics and its prover."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from oracle.build import build
from oracle.sign.eip712 import address_of, sign_compact
from oracle.watch.evidence import EvidenceState
from oracle.watch.words import SignedWord, WordKind
from tests.oracle.assemble.keyed_config import ENVIRON, KEY, keyed_config
from tests.oracle.assemble.small_config import small_config
from tests.oracle.watch.watch_world import HERE, ROUND_S, A, B, word_by


async def test_a_process_with_operators_watches_its_stores_and_itself(tmp_path: Path) -> None:
    made = build(keyed_config(tmp_path), environ=ENVIRON)
    watch = made.watch
    assert watch is not None
    assert sorted(watch.chains) == ["home", "other"]
    assert not watch.proves
    hears = {made.agreements.heard.on_said.__self__, made.agreements.heard.on_cut.__self__}  # type: ignore[attr-defined]
    assert hears == {watch.watcher}
    for word in (own_word(A), own_word(B), word_by(0, A), word_by(0, B)):
        watch.watcher.hear(word)
    assert {k.state for k in watch.watcher.rows.evidence()} == {EvidenceState.OWN, EvidenceState.FOUND}
    assert "mute" in made.operators[0].silenced
    text = made.metrics.render().decode()
    assert 'lrt_oracle_watch_evidence{state="own"} 1.0' in text
    assert 'lrt_oracle_watch_evidence{state="found"} 1.0' in text
    assert "lrt_oracle_watch_words_total 4.0" in text
    assert 'lrt_oracle_watch_block{target="home"} 0.0' in text
    assert 'lrt_oracle_keeper_due_seconds{duty="rotate",target="home"} 0.0' in text
    assert 'lrt_oracle_keeper_gas_left{target="home"} 0.0' in text, "it has no key"
    assert made.keeper is not None
    assert list(made.keeper.tasks(lambda _name, _error: None)) == ["keeper"]
    await made.close()


@pytest.mark.loopback
async def test_a_chain_that_does_not_answer_is_told_and_ends_nothing(tmp_path: Path) -> None:
    made = build(keyed_config(tmp_path), environ=ENVIRON)
    assert made.watch is not None
    failures: list[str] = []
    tasks = made.watch.tasks(lambda name, _error: failures.append(name))
    assert sorted(tasks) == ["watch: home", "watch: keys", "watch: other", "watch: proofs", "watch: words"]
    await made.watch.look()
    assert failures == []
    await made.close()


async def test_who_turns_it_off_or_signs_nothing_has_none(tmp_path: Path) -> None:
    resolved = keyed_config(tmp_path)
    off = replace(
        resolved.config,
        watch=replace(resolved.config.watch, on=False),
        keeper=replace(resolved.config.keeper, on=False),
    )
    for config in (
        replace(resolved, config=off),
        small_config(tmp_path / "x.db"),
    ):
        made = build(config, environ=ENVIRON)
        assert made.watch is None
        assert made.keeper is None
        assert b"lrt_oracle_watch" not in made.metrics.render()
        await made.close()


def own_word(said: bytes) -> SignedWord:
    bare = SignedWord(key=address_of(KEY), domain=HERE, kind=WordKind.BATCH, step=0, epoch=1, round_time_s=ROUND_S, items=said, signature=b"")  # fmt: skip
    return replace(bare, signature=sign_compact(KEY, bare.digest))
