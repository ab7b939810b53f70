"""What whoever asks should do next, by how it stands: sentences with the command that does it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from oracle.stake.amounts import amount_text
from oracle.stake.moments import moment, units

NOTHING = "nothing has to be done"


def set_advice(document: Mapping[str, Any]) -> list[str]:
    """Of the whole set: what anybody can do for it, or its members must."""
    coming, waits, now_s = document["next"], document["scheduled"], document["at_s"]
    rows = []
    if waits is not None and not waits["armed"] and now_s < waits["at_s"]:
        rows.append(
            f"`lrt-oracle arm`, by members of epoch {waits['epoch']}, before {moment(waits['at_s'])}, if their processes do not"
        )
    if document["rotate_due_s"] <= now_s and coming is not None:
        if coming["members"] < coming["least_members"]:
            rows.append(
                f"more operators: {coming['least_members']} are needed, by `stake join` and `stake bond`, or once they have"
                " waited after joining"
            )
        elif coming["can_be_made"]:
            rows.append("`stake rotate`, by anybody, if no keeper does")
    return rows or [f"{NOTHING} for the set now"]


def account_advice(operator: Mapping[str, Any] | None, holdings: Mapping[str, Any], now_s: int) -> list[str]:
    """Of one account.

    Args:
        operator: how it stands as one; None: it is none.
        holdings: what it has with operators, itself among them.
        now_s: time of the chain, Unix s.
    """
    rows = [] if operator is None else list(_operator(operator, now_s))
    rows += [row for held in holdings["holdings"] for row in _held(held, now_s)]
    if rows or operator is not None:
        return rows or [f"{NOTHING}: go on signing"]
    if not holdings["holdings"]:
        return [
            "`stake delegate AMOUNT --operator ADDRESS`; `stake status` lists the operators, and what secures the price"
        ]
    return [f"{NOTHING}; `stake undelegate` asks back"]


def _operator(document: Mapping[str, Any], now_s: int) -> Iterator[str]:
    jail_s = document["jailed_until_s"]
    if jail_s is not None:
        yield f"wait until {moment(jail_s)}, the end of its jail, then `stake join`; what a case takes can be given back only within its dispute"
    else:
        yield from _seat(document)
    used = document["signs_with"]
    if used not in (None, document["key"]):
        yield f"keep {used} signing: the set in force has that key, until the next one"
    for pool in document["pools"]:
        owed = [amount_text(pool["assets"][a], int(n)) for a, n in pool["due"].items() if n != "0"]
        if owed:
            yield f"`rewards claim`: {', '.join(owed)} are due"
    if document["rotate_due_s"] <= now_s and document["place"] == "member":
        yield "`stake rotate`, if no keeper does: a freeze is due"


def _seat(document: Mapping[str, Any]) -> Iterator[str]:
    """Of one that is not in jail."""
    missing = int(document["least_stake"]) - int(document["stake"])
    bonds = f"`stake bond AMOUNT`, or have others delegate: {units(missing)} ETH of stake are missing"
    if document["key"] is None or not all(p["enrolled"] for p in document["pools"]):
        yield "`stake join`: its report key is not in the book, or nobody can delegate to it yet"
    elif not document["is_candidate"]:
        yield f"{bonds}; then `stake join`" if missing > 0 else "`stake join`: it is no candidate"
    elif missing > 0:
        yield f"{bonds}, or it is cut"
    elif document["place"] == "too new":
        waits = moment(document["joined_s"] + document["join_delay_s"])
        yield f"wait: the first freeze after {waits} takes it"
    elif document["place"] == "others have more":
        yield "have more delegated: all places are taken by operators with more stake"


def _held(held: Mapping[str, Any], now_s: int) -> Iterator[str]:
    leaving, who = held["exit"], f"--operator {held['operator']}"
    if leaving is not None:
        opens, closes = moment(leaving["opens_s"]), moment(leaving["closes_s"])
        if now_s < leaving["opens_s"]:
            yield f"`stake withdraw {who}` from {opens} to {closes}; `stake undelegate 0 {who}` takes the exit back"
        elif held["waits_for_case"]:
            yield f"wait for the case of {held['operator']}: then `stake withdraw {who}`"
        elif now_s <= leaving["closes_s"]:
            yield f"`stake withdraw {who}`, before {closes}"
        else:
            yield f"`stake undelegate {who}` again: the exit was open until {closes}, and was not taken"
    owed = [amount_text(held["assets"][a], int(n)) for a, n in held["pending"].items() if n != "0"]
    if owed:
        yield f"`rewards claim {who}`: {', '.join(owed)} are earned"
