"""Documents of stake as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oracle.stake.amounts import amount_text
from oracle.stake.moments import moment, percent, units

_WHOLE = 10**18


def set_lines(document: Mapping[str, Any]) -> list[str]:
    """The whole set."""
    contracts, total, now_s = document["contracts"], int(document["total"]), document["at_s"]
    ends_s = document["expires_s"]
    expires = (
        "never expires" if ends_s is None else f"{'expires' if now_s < ends_s else 'has expired:'} {moment(ends_s)}"
    )
    signed = "" if document["by_stake"] else "; its signers were named when the store was deployed, not by stake"
    due, weighed = document["rotate_due_s"], units if document["by_stake"] else str
    rows = [
        f"store {document['store']}, signers by {contracts['set']}",
        f"epoch {document['epoch']}: T {weighed(int(document['threshold']))} of W {weighed(total)}, {expires}{signed}",
        f"rotate: {'due now' if due <= now_s else 'due at ' + moment(due)}, by anybody",
    ]
    if (waits := document["scheduled"]) is not None:
        begins, late = moment(waits["at_s"]), now_s >= waits["at_s"]
        state = "armed" if waits["armed"] else "not armed yet: its members must sign, `lrt-oracle arm`"
        missed = f"epoch {waits['epoch']} was to begin {begins} and was not armed: the next freeze replaces it"
        rows.append(missed if late and not waits["armed"] else f"epoch {waits['epoch']} begins {begins}: {state}")
    rows.append(_next_line(document["next"]))
    rows += [f"source {s['kind']} {s['address']}" for s in contracts["sources"]]
    rows += [_operator_line(r, total) for r in document["operators"]] or ["no operator has joined"]
    return rows


def _next_line(coming: Mapping[str, Any] | None) -> str:
    if coming is None:
        return "the next set cannot be said now"
    if coming["members"] < coming["least_members"]:
        return f"a freeze now would make no set: {coming['members']} members, {coming['least_members']} are needed"
    if not coming["can_be_made"]:
        return "a freeze now would make no set: too much stake has left, T falls epoch by epoch"
    return f"a freeze now: T {units(int(coming['threshold']))} of W {units(int(coming['total']))}, {coming['members']} members"


def _operator_line(row: Mapping[str, Any], total: int) -> str:
    weight = int(row["weight"])
    jail = f"; in jail until {moment(row['jailed_until_s'])}" if row["jailed_until_s"] else ""
    after = "" if row["next_weight"] is None else f", next {units(int(row['next_weight']))}"
    place = row["place"] or ("a candidate" if row["is_candidate"] else "no candidate")
    share = f" ({percent(weight, total)})" if weight else ""
    return f"  {row['operator']}  stake {units(int(row['stake']))} ETH, weight {units(weight)}{share}{after}: {place}{jail}"


def operator_lines(document: Mapping[str, Any]) -> list[str]:
    """One operator."""
    bound = document["bound_until_s"]
    rows = [
        f"operator {document['operator']}",
        f"  key: {document['key'] or 'none in the book'}" + _signs_with(document),
        f"  stake {units(int(document['stake']))} ETH; weight {units(int(document['weight']))} now, "
        + ("not known" if document["next_weight"] is None else units(int(document["next_weight"]))) + " in the next set",
        f"  next set: {document['why_not'] or 'a member'}",
        f"  its words can be proven {'until ' + moment(bound) if bound else 'never: it was in no set'}",
    ]  # fmt: skip
    for source in document["sources"]:
        if source["stake"] is None:
            rows.append(f"  {source['kind']} {source['address']}: does not answer now")
        else:
            slashable = "not known" if source["slashable"] is None else f"{units(int(source['slashable']))} ETH"
            rows.append(
                f"  {source['kind']} {source['address']}: {units(int(source['stake']))} ETH, slashable {slashable}"
            )
    rows += [_case_line(c) for c in document["cases"]] or ["  no case against it"]
    for pool in document["pools"]:
        rows.append(f"  pool {pool['source']}: " + _pool_text(pool))
        rows += [f"    due: {amount_text(pool['assets'][a], int(n))}" for a, n in pool["due"].items() if n != "0"]
    return rows


def _signs_with(document: Mapping[str, Any]) -> str:
    used = document["signs_with"]
    return f"; the present set has {used}" if used not in (None, document["key"]) else ""


def _pool_text(pool: Mapping[str, Any]) -> str:
    if not pool["enrolled"]:
        return "not enrolled: nobody can delegate to it"
    rise = pool["commission_next"]
    later = f", {units(rise['bps'], 2)} % from {moment(rise['at_s'])}" if rise else ""
    leaves = int(pool["tokens"]) * int(pool["leaving"]) // int(pool["shares"]) if pool["shares"] != "0" else 0
    asked = f", of which {amount_text(pool['token'], leaves)} are asked back" if leaves else ""
    return (
        f"{amount_text(pool['token'], int(pool['tokens']))}{asked}, {amount_text(pool['token'], int(pool['aside']))} put aside,"
        f" commission {units(pool['commission_bps'], 2)} %{later}"
    )


def _case_line(case: Mapping[str, Any]) -> str:
    state = f"dispute until {moment(case['dispute_until_s'])}" if case["outcome"] == "disputed" else case["outcome"]
    return f"  case {case['case']} of epoch {case['epoch']}: {percent(int(case['fraction']), _WHOLE)} of its stake, {state}"


def holdings_lines(document: Mapping[str, Any], now_s: int) -> list[str]:
    """One restaker, at a time of the chain (Unix s)."""
    terms = document["penalties"]
    rows = [f"{document['restaker']} has {units(int(document['value']))} ETH with operators"]
    for held in document["holdings"]:
        rows += _holding_lines(held, now_s)
    if document["incomplete"]:
        rows.append("! endpoints do not look far back: name more operators with --operator if some are missing")
    if document["holdings"]:
        arbiter = f"; {terms['arbiter']} can give it back before that, and do nothing else" if terms["arbiter"] else ""
        rows.append(
            f"what is slashed waits {terms['dispute_s']} s for a dispute{arbiter}; nobody else can slash these shares"
        )
    return rows


def _holding_lines(held: Mapping[str, Any], now_s: int) -> Iterator[str]:
    slashing, leaving, token = held["slashing"], held["exit"], held["token"]
    yield (
        f"  with {held['operator']}: {units(int(held['shares']), token['decimals'])} shares,"
        f" {amount_text(token, int(held['tokens']))}, worth {units(int(held['value']))} ETH"
    )
    yield (
        f"    {slashing['by']} can slash {units(int(slashing['alone']))} ETH if the operator lies alone, "
        f"{units(int(slashing['most']))} ETH if with others enough to seal two contents"
    )
    for case in slashing["cases"]:
        yield (
            f"    case {case['case']}: {percent(int(case['fraction']), _WHOLE)} put aside, "
            f"{percent(int(case['fraction_due']), _WHOLE)} due, dispute until {moment(case['dispute_until_s'])}"
        )
    if slashing["aside_tokens"] != "0":
        yield f"    {amount_text(token, int(slashing['aside_tokens']))} of it are put aside"
    opens_s = held["exit_asked_now_opens_s"]
    if leaving is None and opens_s is not None:
        yield f"    an exit asked for now opens at {moment(opens_s)}, later if a case is opened meanwhile"
    elif leaving is not None:
        waits = "; waits while a case is open" if held["waits_for_case"] else ""
        part = (
            f"{units(int(leaving['shares']), token['decimals'])} shares, {amount_text(token, _leaving_tokens(held))},"
        )
        if now_s > leaving["closes_s"]:
            yield f"    {part} were to leave until {moment(leaving['closes_s'])}, and were not taken: ask again"
        else:
            yield f"    {part} leave: from {moment(leaving['opens_s'])} to {moment(leaving['closes_s'])}{waits}"
    for asset, amount in held["pending"].items():
        if amount != "0":
            yield f"    earned: {amount_text(held['assets'][asset], int(amount))}"


def _leaving_tokens(held: Mapping[str, Any]) -> int:
    return int(held["tokens"]) * int(held["exit"]["shares"]) // int(held["shares"])


def advice_lines(rows: Sequence[str]) -> list[str]:
    """What to do next."""
    return [f"next: {row}" for row in rows]


def done_lines(done: Sequence[Mapping[str, Any]]) -> list[str]:
    """Steps that have landed."""
    return [f"done: {d['step']} in block {d['block']}, {d['gas_used']} gas, {d['tx_hash']}" for d in done]
