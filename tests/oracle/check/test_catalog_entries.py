"""What the whole shipped catalogue is asked, and how its records are listed, shown and written: laws over every record of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from feeds.catalog.homes import home_of
from feeds.chains.abi import address
from feeds.units import WAD
from oracle.check.catalog.blocks import block_of, ended_block, replacing_block
from oracle.check.catalog.entries import CatalogEntry, entries_on, groups_of
from oracle.check.catalog.findings import EntryFinding, EntryResult, EntryState, changed, dead, fine, unasked, unread
from oracle.check.catalog.listing import Filter, ListedRecord, listed, records
from oracle.check.catalog.pools import FACTS
from oracle.config.sections import parse
from oracle.config.tables.catalog import Catalog
from oracle.config.tables.own_catalog import KINDS
from oracle.config.tables.schema import Problem, build
from tests.oracle.cli.command import document, run

CATALOG: Catalog = parse({}).catalog
CHAINS = [c.name for c in CATALOG.chains.values() if not c.known_only]


def asked(chain: str) -> tuple[CatalogEntry, ...]:
    return entries_on(CATALOG, chain, "1")


def contracts_of(chain: str) -> Iterator[str]:
    """Every address that the catalogue has on a chain."""
    yield from (u.address[chain] for u in CATALOG.units.values() if chain in u.address)
    for token in CATALOG.tokens.values():
        yield from (a for c, a in token.address.items() if c == chain)
        edges = ((token.rate,) if token.rate else ()) + token.second
        yield from (a for e in edges if e.chain == chain for a in (e.contract, e.over_contract) if a)
        yield from (f.contract for f in token.open if f.chain == chain)
        if token.backing is not None and token.backing.chain == chain:
            yield token.backing.contract
        yield from (r.lock for r in token.rail if r.chain == chain)
    for pool in CATALOG.pools:
        if pool.chain == chain and (pool.address or pool.pool_id):
            yield from (a for a in (pool.address, pool.vault, pool.resolver) if a)
    yield from (r.address for r in CATALOG.references if r.chain == chain and r.address)
    facts = CATALOG.chains[chain]
    yield from (a for a in (facts.multicall, facts.sequencer) if a)


@pytest.mark.parametrize("chain", CHAINS)
def test_every_address_of_a_chain_is_asked(chain: str) -> None:
    """No entry is forgotten: a family or a kind of fact without a question fails here."""
    held = {c for e in asked(chain) for q in e.questions for c in q.contracts}
    known = set(contracts_of(chain))
    assert known
    assert {a for a in known if address(a) not in held} == set()


@pytest.mark.parametrize("chain", CHAINS)
def test_every_question_says_which_contracts_it_asks(chain: str) -> None:
    """What has no code must be told by its address, so each question's calls go to contracts that it names."""
    for entry in asked(chain):
        for question in (*entry.questions, *((entry.again,) if entry.again else ())):
            asking = question.ask(0)
            try:
                calls = next(asking)
            except StopIteration:
                continue
            asking.close()
            assert calls, (entry.label, question.what)
            assert {c.to for c in calls} & set(question.contracts), (entry.label, question.what)


@pytest.mark.parametrize(("held", "state"), [(116_723 * WAD, EntryState.FINE), (0, EntryState.CHANGED)])
def test_a_lock_box_that_holds_none_is_named(held: int, state: EntryState) -> None:
    (entry,) = (e for e in asked("ethereum") if e.label == "token rsETH on ethereum")
    (question,) = (q for q in entry.questions if q.what == "layerzero lock box")
    asking = question.ask(0)
    (call,) = next(asking)
    token, lock = (
        address(a) for a in (CATALOG.tokens["rsETH"].address["ethereum"], CATALOG.tokens["rsETH"].rail[0].lock)
    )
    assert (call.to, call.data[-20:]) == (token, lock), "the lock box's balance, of the token itself"
    with pytest.raises(StopIteration) as ended:
        asking.send((held.to_bytes(32, "big"),))
    (finding,) = ended.value.value
    assert finding.state is state


def test_every_family_of_pools_is_asked_for_its_facts() -> None:
    assert {p.family for p in CATALOG.pools} - set(FACTS) == set()


@pytest.mark.parametrize("chain", CHAINS)
def test_entries_have_names_of_their_own(chain: str) -> None:
    labels = [e.label for e in asked(chain)]
    assert len(labels) == len(set(labels))
    for entry in asked(chain):
        whats = [q.what for q in entry.questions]
        assert len(whats) == len(set(whats)), entry.label


@pytest.mark.parametrize("most", [1, 6, 24])
def test_groups_are_all_the_entries_in_their_order_and_none_is_heavy(most: int) -> None:
    entries = asked("ethereum")
    groups = list(groups_of(entries, most))
    assert [e.label for g in groups for e in g] == [e.label for e in entries]
    assert all(len(g) == 1 or sum(e.weight for e in g) <= most for g in groups)
    assert len(groups) < len(entries) or most == 1


# --- blocks --------------------------------------------------------------------------------------------------------------


def read_back(kind: str, text: str) -> Any:
    (table,) = tomllib.loads(text)[kind]
    table.pop("replaces", None)
    problems: list[Problem] = []
    record = build(KINDS[kind], table, "x", problems)
    assert not problems, problems
    return record


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_written_as_the_block_that_reads_back_to_it(kind: str) -> None:
    rows = [r for r in records(CATALOG) if r.kind == kind]
    assert rows
    for row in rows:
        assert read_back(kind, block_of(kind, row.record)) == row.record
        assert tomllib.loads(replacing_block(kind, row.record))[kind][0]["replaces"] is True


@pytest.mark.parametrize("kind", [k for k in KINDS if hasattr(KINDS[k], "is_dead")])
def test_the_blocks_that_mark_records_dead_change_nothing_else_of_them(kind: str) -> None:
    before = {r.label: r.record for r in records(CATALOG) if r.kind == kind}
    blocks = [ended_block(gone(kind, label), record, own=False) for label, record in before.items()]
    held = parse(tomllib.loads("\n".join(blocks))).catalog
    after = {r.label: r.record for r in records(held) if r.kind == kind}
    changes = {"dead_why", "dead_since", "dead_block", "dead_source", "doubtful"}
    assert after.keys() == before.keys()
    for label, made in after.items():
        assert made.is_dead
        assert made.dead_why == 'token: gone "for good" \\ ever\n'
        assert (made.dead_since, made.dead_block) == ("2025-11-03", 23_717_397)
        assert made.dead_source == ("lrt-oracle catalog verify at block 23717397 of ethereum",)
        for name in {f.name for f in fields(made)} - changes:
            assert getattr(made, name) == getattr(before[label], name), (label, name)
    for label, record in before.items():
        assert read_back(kind, ended_block(gone(kind, label), record, own=True)) == after[label], (
            "an own record is written whole"
        )


def gone(kind: str, label: str) -> EntryResult:
    return EntryResult(
        label=label, kind=kind, name="n", chain="ethereum", end="", block=23_717_397, block_ms=1_762_156_800_000,
        findings=(dead("token", 'gone "for good" \\ ever\n'),),
    )  # fmt: skip


# --- states --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "findings", "state"),
    [
        ("", (), EntryState.UNREAD),
        ("", (fine("a", "x"),), EntryState.FINE),
        ("", (fine("a", "x"), unread("b", "x")), EntryState.UNREAD),
        ("", (fine("a", "x"), unasked("b", "x")), EntryState.UNASKED),
        ("", (changed("a", "x"), unasked("b", "x")), EntryState.CHANGED),
        ("", (changed("a", "x"), dead("b", "x"), fine("c", "x")), EntryState.DEAD),
        ("is dead", (dead("a", "x"),), EntryState.MARKED),
        ("is dead", (unread("a", "x"),), EntryState.MARKED),
        ("is dead", (unasked("a", "x"),), EntryState.UNASKED),
        ("is dead", (fine("a", "x"),), EntryState.CHANGED),
        ("is dead", (changed("a", "x"),), EntryState.CHANGED),
    ],
)
def test_the_state_is_the_worst_finding_and_a_known_end_is_no_news(
    end: str, findings: tuple[Any, ...], state: EntryState
) -> None:
    result = EntryResult(label="x", kind="pool", name="x", chain="c", end=end, block=1, block_ms=1, findings=findings)
    assert result.state is state
    assert EntryResult.of(result.document()) == result


# --- lists ---------------------------------------------------------------------------------------------------------------


def rows(**wanted: Any) -> list[ListedRecord]:
    return list(listed(CATALOG, Filter(**wanted)))


def test_a_list_is_every_record_and_a_filter_takes_its_part() -> None:
    everything = rows()
    assert len(everything) == len({r.label for r in everything})
    kinds = {k: [r for r in everything if r.kind == k] for k in KINDS}
    assert len(kinds["pool"]) == len(CATALOG.pools)
    assert [r.label for r in rows(kind="pool")] == [r.label for r in kinds["pool"]]
    on_base = {r.label for r in rows(chain="base")}
    assert "token wstETH" in on_base
    assert all(" on base" in label or label.split()[0] in {"token", "unit", "chain"} for label in on_base)
    about = {r.label for r in rows(token="rETH", kind="pool")}
    assert about == {r.label for r in kinds["pool"] if "rETH" in r.record.coins or r.record.token == "rETH"}
    gone = rows(dead=True)
    assert gone
    assert all(r.state in {"dead", "doubtful"} for r in gone)
    assert {r.label for r in gone} == {r.label for r in everything if r.state}
    lacking = [r for r in kinds["pool"] if r.record.missing]
    assert lacking
    assert all(f"cannot be read: {r.record.missing}" in r.line for r in lacking)


def test_the_command_lists_and_shows(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[symbol]]\nvenue = "okx"\nsymbol = "NEW-ETH"\npair = "rETH/ETH"\n[feeds]\n')
    base = ("--config", str(config), "catalog")
    found = document(*base, "list", "--kind", "symbol", "--token", "rETH")["records"]
    (own,) = [r for r in found if r["own"]]
    assert (own["label"], own["pair"], own["place"]) == ("symbol okx NEW-ETH", "rETH/ETH", "the config")
    shown = run(*base, "show", "uniswap_v3 wstETH/WETH 0.01%").stdout
    assert shown.startswith("# shipped\n[[pool]]\n")
    assert "0x109830a1AAaD605BbF02a9dFA7B0B92EC2FB7dAa" in shown
    assert document(*base, "show", "rsETH")["records"][0]["protocol"] == "Kelp DAO"
    assert tomllib.loads(run(*base, "show", "okx NEW-ETH", "--toml").stdout) == {
        "symbol": [{"venue": "okx", "symbol": "NEW-ETH", "pair": "rETH/ETH"}]
    }


def test_what_show_prints_as_toml_replaces_the_record_as_it_is() -> None:
    printed = run("catalog", "show", "rsETH", "--toml").stdout
    own = parse(tomllib.loads(printed)).catalog
    assert own.tokens["rsETH"] == CATALOG.tokens["rsETH"]
    assert own.replaced == {"token rsETH"}


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["list", "--chain", "etherum"], "did you mean 'ethereum'?"),
        (["list", "--token", "wstEHT"], "did you mean 'wstETH'?"),
        (["list", "--kind", "pools"], "did you mean 'pool'?"),
        (["show", "wstEHT"], "did you mean 'wstETH'?"),
    ],
)
def test_a_wrong_name_is_told_the_nearest(args: list[str], text: str) -> None:
    done = run("catalog", *args)
    assert done.exit_code == 2
    assert text in done.output


def test_a_config_that_is_named_and_not_there_is_told() -> None:
    done = run("--config", "/nowhere/config.toml", "catalog", "list")
    assert done.exit_code == 2
    assert "cannot be read" in done.output


COPIES = [(t, chain) for t in CATALOG.tokens.values() if not t.is_dead for chain in t.address]


@pytest.mark.parametrize("own", [False, True])
def test_a_copy_that_is_gone_ends_on_its_chain_alone(*, own: bool) -> None:
    """A token ends where it is issued; pasted into a catalogue, the end of a bridged copy must not refuse its other feeds."""
    away = 0
    for token, chain in COPIES:
        gone = EntryResult(
            label=f"token {token.symbol} on {chain}", kind="token", name=token.symbol, chain=chain, end="", block=7, block_ms=1_796_000_000_000,
            findings=(EntryFinding(state=EntryState.DEAD, what="token", text="no contract"),),
        )  # fmt: skip
        text = ended_block(gone, token, own=own, units=CATALOG.units.values())
        if "wraps it there" in text:
            assert text.startswith("# ")
            assert text.count("\n") == 1
            continue
        after = parse(
            tomllib.loads(text.replace("[[token]]", "[[token]]\nreplaces = true") if own else text)
        ).catalog.tokens
        if home_of(token) == chain:
            assert after[token.symbol].is_dead
            continue
        away += 1
        assert after[token.symbol] == replace(token, address={c: a for c, a in token.address.items() if c != chain})
    assert away > 50
