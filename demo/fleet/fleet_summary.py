"""The results of a run of several operators as one JSON document, from their databases and the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import contracts
from demo.fleet.fleet import Fleet
from demo.fleet.landed import LandedPushes, landed_pushes, latencies_ms
from demo.fleet.ledger import Ledger, percentiles, read_ledger
from demo.fleet.said import unsealed_by_log
from feeds.units import deviation_bps_away, wad_text
from oracle.config import sections
from oracle.config.resolve import resolve
from oracle.deploy.views import decimals_of
from oracle.model.publication import PushRow, Record
from oracle.report.wire import split_items
from oracle.sign.keyfiles import stated_address
from oracle.storage.database import Database

TARGET = "local"
_ROUND_MASK = (1 << 64) - 1
_FAR_S = 1 << 40


def fleet_ledger(fleet: Fleet, rounds: Sequence[int]) -> Ledger:
    """What became of these rounds."""
    databases = {name: operator.database for name, operator in fleet.operators.items()}
    return read_ledger(databases, TARGET, rounds, fleet.threshold)


async def summarise_fleet(fleet: Fleet, rounds: Sequence[int]) -> dict[str, Any]:
    """Rounds, pushes, forks, each feed on chain beside its sealed record, status changes; ``problems`` is empty where all holds."""
    ledger = fleet_ledger(fleet, rounds)
    payers = [stated_address(o.place.folder / "gas.key.json") for o in fleet.operators.values() if o.place.pays]
    said = {name: unsealed_by_log(operator.log) for name, operator in fleet.operators.items()}
    landed = await landed_pushes(fleet, payers)
    rows = _rows(fleet)
    feeds = await _feeds(fleet)
    unsealed = _unsealed(fleet, landed, rows)
    return {
        **ledger.summary(),
        "rounds_lost": [
            {"round": r, "why": why, "said": {n: rounds_of[r] for n, rounds_of in said.items() if r in rounds_of}}
            for r, why in ledger.lost.items()
        ],
        "rounds": len(ledger.sealed),
        **_pushes(landed, rows),
        "operators": _operators(fleet, ledger, landed),
        "refused": [
            {"operator": name, "feed": feed, "why": why, "rounds": rounds_of}
            for (name, feed, why), rounds_of in sorted(ledger.refused.items())
        ],
        "evidence": [
            {"operator": fleet.names.get(address, f"0x{address.hex()}"), "kind": kind, "rounds": rounds_of}
            for (address, kind), rounds_of in ledger.evidence.items()
        ],
        "feeds": feeds,
        "states": _states(fleet),
        "largest_move_bps": _largest_moves(fleet),
        "problems": _problems(ledger, feeds, unsealed),
    }


def closing_lines(summary: Mapping[str, Any]) -> list[str]:
    """The summary in some lines, for people."""
    attempts = ", ".join(f"{rounds} in attempt {n}" for n, rounds in summary["attempts"].items())
    lost, refused = summary["rounds_lost"], Counter[tuple[str, str]]()
    for row in summary["refused"]:
        refused[row["operator"], row["why"]] = max(refused[row["operator"], row["why"]], row["rounds"])
    return [
        (
            f"{summary['rounds_sealed']} of {summary['rounds_due']} rounds sealed ({attempts or 'none'}), {len(lost)} lost,"
            f" {len(summary['forks'])} forks; {summary['pushes_landed']} pushes landed, {summary['pushes_double']} double;"
            f" {len(summary['states'])} status changes"
        ),
        *(f"  lost: round {each['round']}: {each['why']}{_as_said(each.get('said', {}))}" for each in lost),
        *(f"  {name} did not vouch for a feed in {rounds} rounds: {why}" for (name, why), rounds in refused.items()),
        *(f"  evidence against {e['operator']} in {e['rounds']} rounds: {e['kind']}" for e in summary["evidence"]),
    ]


def _as_said(said: Mapping[str, str]) -> str:
    """What the first of those who tell of it says."""
    name, text = next(iter(said.items()), ("", ""))
    return f"; {name} says: {text}" if name else ""


def _problems(ledger: Ledger, feeds: Sequence[Mapping[str, Any]], unsealed: Sequence[str]) -> list[str]:
    """What must never be."""
    forks = [f"round {r} is sealed with different items in two databases" for r in ledger.forks]
    views = [f"{f['feed']}: the chain says {f['onchain']}, sealed is {f['sealed']}" for f in feeds if not f["same"]]
    return [*forks, *views, *unsealed]


def _pushes(landed: LandedPushes, rows: Mapping[str, PushRow]) -> dict[str, Any]:
    """Of what is in the chain; a push is double where the store had a part of it already."""
    carried = {p.tx_hash: len(split_items(rows[p.tx_hash].items)) for p in landed.pushes if p.tx_hash in rows}
    late = [p for p in landed.pushes if p.written < carried.get(p.tx_hash, p.written)]
    reverted = sum(landed.reverted.values())
    in_chain = len(landed.pushes) + reverted
    return {
        "pushes_in_chain": in_chain,
        "pushes_landed": sum(p.written > 0 for p in landed.pushes),
        "pushes_double": len(late) + reverted,
        "pushes_double_bps": (len(late) + reverted) * 10_000 // in_chain if in_chain else 0,
        "pushes_reverted": reverted,
        "push_latency_ms": percentiles(sorted(latencies_ms([p for p in landed.pushes if p.written]))),
    }


def _rows(fleet: Fleet) -> dict[str, PushRow]:
    """What each operator journalled before it sent it, by transaction."""
    rows: dict[str, PushRow] = {}
    for operator in fleet.operators.values():
        if operator.database.is_file():
            with closing(Database(operator.database)) as database:
                rows |= {r.tx_hash: r for r in database.pushes(TARGET)}
    return rows


def _unsealed(fleet: Fleet, landed: LandedPushes, rows: Mapping[str, PushRow]) -> list[str]:
    """Batches in the chain that hold something else than what was sealed."""
    rounds = sorted({p.round_time_s for p in landed.pushes})
    ledger = fleet_ledger(fleet, rounds)
    wrong = []
    for push in landed.pushes:
        row = rows.get(push.tx_hash)
        if row is None:
            wrong.append(f"{push.tx_hash} is in the chain and in nobody's journal")
        elif not split_items(row.items).items() <= ledger.items_of(push.round_time_s).items():
            wrong.append(f"{push.tx_hash} carries items of round {push.round_time_s} that were not sealed")
    return wrong


async def _feeds(fleet: Fleet) -> list[dict[str, Any]]:
    """Each view's answer beside what was sealed of its round."""
    specs = resolve(sections.load(next(iter(fleet.operators.values())).config)).specs
    found = []
    for feed, address in fleet.deployment.views.items():
        if specs[feed].is_cross:
            continue
        view = fleet.chain.contract(contracts.load("FeedView").abi, address)
        round_id, answer, *_ = await fleet.chain.call(view, "latestRoundData")
        record = _sealed_record(fleet, feed, round_id & _ROUND_MASK)
        decimals = decimals_of(specs[feed])
        unit = 10 ** (18 - decimals)
        sealed = 0 if record is None else record.price_wad // unit
        found.append({
            "feed": feed,
            "round_time": round_id & _ROUND_MASK,
            "sealed": wad_text(sealed * unit, decimals),
            "onchain": wad_text(answer * unit, decimals),
            "same": sealed == answer,
        })  # fmt: skip
    return found


def _sealed_record(fleet: Fleet, feed: str, round_time_s: int) -> Record | None:
    """The record of a round in any database that has it sealed."""
    for operator in fleet.operators.values():
        if operator.database.is_file():
            with closing(Database(operator.database)) as database:
                record = database.record(feed, round_time_s)
            if record is not None and record.seal is not None:
                return record
    return None


def _operators(fleet: Fleet, ledger: Ledger, landed: LandedPushes) -> list[dict[str, Any]]:
    signed, by_name = ledger.signed, {b.operator: b for b in ledger.books}
    rounds = set(ledger.rounds)
    rows = []
    for name, operator in fleet.operators.items():
        payer = stated_address(operator.place.folder / "gas.key.json").lower() if operator.place.pays else ""
        rows.append({
            "operator": name,
            "behaviour": operator.behaviour,
            "runs": operator.runs,
            "rounds_made": len(by_name[name].made & rounds),
            "rounds_sealed": len(by_name[name].sealed),
            "rounds_signed": signed.get(fleet.addresses[name], 0),
            "pushes_landed": sum(p.sender == payer and p.written > 0 for p in landed.pushes),
            "log": str(operator.log),
        })  # fmt: skip
    return rows


def _states(fleet: Fleet) -> list[dict[str, Any]]:
    """Status changes as the first operator that is honest published them."""
    for operator in fleet.operators.values():
        if operator.behaviour == "honest" and operator.database.is_file():
            with closing(Database(operator.database)) as database:
                return [
                    {"feed": t.feed, "at_ms": t.at_ms, "from": t.before.word, "to": t.after.word,
                     "reasons": [r.code.name for r in t.reasons]}
                    for t in database.transitions()
                ]  # fmt: skip
    return []


def _largest_moves(fleet: Fleet) -> dict[str, int]:
    """By feed the largest distance of any sealed market price from the first one, bps, over all databases."""
    prices: dict[str, dict[int, int]] = {}
    for operator in fleet.operators.values():
        if not operator.database.is_file():
            continue
        with closing(Database(operator.database)) as database:
            for feed in fleet.deployment.views:
                for record in database.history(feed, 0, _FAR_S * 1_000, 1 << 20):
                    if record.seal is not None and record.price_wad:
                        prices.setdefault(feed, {})[record.report.round_time_s] = record.price_wad
    return {f: max(abs(deviation_bps_away(p, of[min(of)])) for p in of.values()) for f, of in prices.items()}
