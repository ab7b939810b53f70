"""Why a price is what it is: each source of a stored round, as a document and as lines for people."""

from __future__ import annotations

from feeds.units import percent_text, wad_text
from oracle.model.canonical_json import parse
from oracle.model.publication import Explanation, Record
from oracle.model.roll_up import RollUp
from oracle.model.types import FeedRound
from oracle.serve.documents import Document, history_document
from oracle.serve.evidence import explain_document
from oracle.storage.database import Database


def explanation(database: Database, feed: str, round_s: int) -> Explanation | None:
    """Every operator's stored result of a round, what it signed, and the record; None where nothing of it is kept."""
    record = database.record(feed, round_s)
    rounds = [(n, r) for n in database.operators(feed) if (r := database.result(n, feed, round_s)) is not None]
    if record is None and not rounds:
        return None
    reports = [(n, r.report if isinstance(r, FeedRound) else r.kept) for n, r in rounds]
    values = [(n, report) for n, report in reports if report is not None]
    legs = record.legs if record else ()
    specs = {n: database.spec(r.spec_hash) for n, r in rounds}
    return Explanation(record=record, rounds=tuple(rounds), values=tuple(values), legs=legs, specs=specs)


def explain(database: Database, feed: str, round_s: int | None) -> Document | None:
    """Everything behind one stored round, by default the newest, as the endpoint shows it; None if it is not stored."""
    if round_s is None:
        newest = database.record(feed)
        round_s = newest.report.round_time_s if newest else database.last_round_s()
    stored = explanation(database, feed, round_s)
    return None if stored is None else explain_document(feed, stored)


def record_document(record: Record) -> Document:
    """A record with its feed, as the endpoint's history shows it."""
    return {"feed": record.feed, "mode": record.mode.value, **history_document(record)}


def withdrawn_documents(database: Database, feed: str, since_ms: int) -> list[Document]:
    """Records of rounds since a time that were published and disowned later: with when and why."""
    rows = database.withdrawn.records(feed, since_ms // 1_000, 1 << 40)
    return [
        {**record_document(parse(Record, body)), "withdrawn": {"at_ms": withdrawal.at_ms, "why": withdrawal.why}}
        for withdrawal, body in rows
    ]


def record_line(record: Record) -> str:
    """One line of a record for people."""
    why = "; ".join(r.text for r in record.reasons)
    return f"{record.report.round_time_s}  {wad_text(record.price_wad, 8):<16} {record.report.status.word:<6} {why}"


def roll_up_line(step_s: int, part: RollUp) -> str:
    """One line of what is left of the records of a minute or an hour, for people."""
    prices = " ".join(wad_text(p, 8) for p in (part.open_wad, part.high_wad, part.low_wad, part.close_wad))
    return f"{part.start_s(step_s)}  {prices}  {part.worst.word:<6} {part.rounds} rounds in {step_s} s: open, high, low, close"


def lines(explained: Document) -> list[str]:
    """An explanation as lines for people."""
    record = explained["record"]
    rows = [explained["feed"]]
    if record is not None:
        deviation = record["deviation_bps"]
        gap = "" if deviation is None else f"  {'-' if deviation < 0 else '+'}{percent_text(abs(deviation))}"
        rows[0] += f" at round {record['round']}"
        prices = f"price {record['price']}  market {record['market']}  redemption {record['redemption']}"
        rows.append(f"  {prices}{gap}  {record['status']} {' '.join(record['reasons'])}")
        rows += _seal_lines(record["seal"])
    if explained["legs"]:
        rows.append(f"  product of {' and '.join(explained['legs'])}: explain those")
    for result in explained["operators"]:
        rows += [f"  {result['operator']}", *(f"    {row}" for row in _operator_lines(result))]
    return rows


def _seal_lines(seal: Document | None) -> list[str]:
    """Who stands behind a record, who does not, and why."""
    if seal is None:
        return ["  not sealed: nobody signed it"]
    when = "" if seal["sealed_ms"] is None else f" after {seal['sealed_ms']} ms"
    weights = f"weight {seal['weight']} of {seal['total']} at {seal['target']}, {seal['threshold']} are needed"
    rows = [f"  sealed in attempt {seal['attempt']}{when}: {weights}"]
    rows += [f"    {a['operator']} did not sign: {a['why']}" for a in seal["missing"]]
    return rows + [f"    {a['operator']} does not vouch for it: {a['why']}" for a in seal["refused"]]


def _operator_lines(result: Document) -> list[str]:
    rows = [f"{result['status']}: {reason['text']}" for reason in result["reasons"]]
    if result["result"] == "abstained":
        return [f"abstained: {result['code']}: {result['text']}", *rows, *map(_rejected_line, result["rejected"])]
    for name in ("market", "redemption"):
        part = result[name]
        if part is None:
            continue
        rows.append(f"{name} {part['price']} +- {part['spread_bps']} bps")
        rows += [
            f"  {u['source']:<18} {u['price']:<22} weight {percent_text(u['weight_bps']):>8}  {u['age_ms']} ms old"
            f"  (group {u['group']})"
            for u in part["used"]
        ]
        rows += map(_rejected_line, part["rejected"])
        rows += _trades_lines(part["trades"])
    if result["cost_of"]:
        rows.append(f"cost to move the price: that of {result['cost_of']}, which it is computed from: explain that")
    traded = result["market"] is not None and result["market"]["trades"] is not None
    return rows + [_cost_line(c, traded=traded) for c in result["cost"]]


def _trades_lines(trades: Document | None) -> list[str]:
    """What a method of trades made the price of."""
    if trades is None:
        return []
    short_ms = trades["complete_ms"] - trades["since_ms"]
    heard = f", the first {short_ms // 1_000} s of them not heard" if short_ms else ""
    cap = f", no group with more than {trades['cap_percent']} % of the volume" if trades["cap_percent"] else ""
    span_s = (trades["until_ms"] - trades["since_ms"]) // 1_000
    rows = [f"  made of the trades of {span_s} s{heard}{cap}:"]
    for g in trades["groups"]:
        merged = f", merged over {g['span_ms']} ms" if g["span_ms"] > 1 else ""
        rows.append(
            f"  {g['group']:<18} {g['count']} trades of {g['volume']} base units in"
            f" {(g['last_ms'] - g['first_ms']) // 1_000} s, the last {(trades['until_ms'] - g['last_ms']) // 1_000} s"
            f" before the end{merged}"
        )
    return rows


_FROM = {"book": "order book", "pool": "pool", "model": "a model", "unknown": "unknown"}


def _cost_line(cost: Document, *, traded: bool) -> str:
    what = "to enter depeg" if cost["depeg"] else f"to move the price by {percent_text(cost['bps'])}"
    through = ", ".join(f"{d['group']} ({_FROM[d['from']]})" for d in cost["depths"]) or "nothing"
    bound = f"about {cost['base']}" if cost["modelled"] else f"at least {cost['base']}"
    line = f"cost {what}: {bound} base units through {through}"
    if traded:
        line += ", and the fees of trading with oneself there"
    if cost["modelled"]:
        line += (
            f"; the depth of {', '.join(cost['modelled'])} is only modelled from its volume: without the model at least"
            f" {cost['base_stated']}, which is what a gate counts"
        )
    if cost["unknown"]:
        line += f"; nothing is known of the depth of {', '.join(cost['unknown'])}: counted as free"
    return line


def _rejected_line(rejected: Document) -> str:
    price = rejected["price"] or ""
    return f"  {rejected['source']:<18} {price:<22} rejected: {rejected['code']}: {rejected['text']}"
