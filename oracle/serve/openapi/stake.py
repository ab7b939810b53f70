"""The schemas of what the contracts of stake say: the set and its operators, and what secures one price."""

from __future__ import annotations

from oracle.serve.openapi.schema import Schema, flag, list_of, object_of, or_null, text, whole

_WEIGHT = "weights of a set that was frozen by stake are wei"


def _with_unit(what: str, unit: str) -> str:
    head, stop, rest = what.partition(";")
    return f"{head}, {unit}{stop}{rest}"


def _at(what: str, *, nullable: bool = True) -> Schema:
    return whole(_with_unit(what, "Unix s"), nullable=nullable)


def _wei(what: str) -> Schema:
    return text(_with_unit(what, "wei"), nullable=True)


def _tokens(what: str) -> Schema:
    return text(f"{what}, in the token's smallest unit; null: not told by this source", nullable=True)


_RISE = or_null(object_of({"bps": whole("what it will be"), "at_s": _at("from when on", nullable=False)}))
_SOURCE = object_of(
    {
        "address": text("of the source"),
        "kind": text("delegated, symbiotic, eigenlayer, unknown"),
        "stake_wei": _wei("what counts as the operator's stake; null: it does not answer"),
        "slashable_wei": _wei("what of it can be slashed for what is signed now; null: it does not answer"),
        "failed_at_freeze": flag("it said nothing at the last freeze: what it said before counts once more"),
        "native_wei": _wei("part of it that is ether of validators; null: not told"),
        "commission_bps": whole("the operator's, of rewards; null: not told here", nullable=True),
        "commission_next": _RISE,
        "vaults": whole("that give it stake; null: it has none, or does not say", nullable=True),
        "token": text("that is delegated; null: several, or not told", nullable=True),
        "tokens": _tokens("delegated to it by all, itself included"),
        "own_tokens": _tokens("of these its own"),
        "aside_tokens": _tokens("put aside for open cases, beside these"),
        "leaving_tokens": _tokens("of `tokens` asked back and not paid out"),
    }
)
_OPERATOR = object_of(
    {
        "operator": text("its address, which holds stake and takes rewards"),
        "name": text("of its report key in the config, else its address"),
        "here": flag("its report key signs in this process"),
        "key": text("report key that the next freeze takes; null: it has none", nullable=True),
        "signs_with": text("report key in the set in force; null: it is no member", nullable=True),
        "weight": text("in the set in force; 0: no member, or cut"),
        "weight_bps": whole("of the whole weight in force"),
        "candidate": flag("it may be taken by a freeze"),
        "next_weight": text("that a freeze now would give it; null: nobody can say", nullable=True),
        "why_not_next": text("why a freeze now would not take it; null: it would", nullable=True),
        "stake_wei": text("what counts of it in all sources that answer, wei"),
        "slashable_wei": text("what of it can be slashed, in all sources that answer, wei"),
        "unread_sources": whole("sources that did not answer: its stake may be more than is shown"),
        "jailed_until_s": _at("no freeze takes it before; null: it is not in jail"),
        "provable_until_s": _at("until then its words can be proven; null: it was in no set"),
        "observed_s": _at("when its stake was observed, if a freeze now takes that; null: a freeze asks its sources"),
        "sources": list_of(_SOURCE),
    }
)
_CASE = object_of(
    {
        "case": text("its id"),
        "operator": text("against whom"),
        "epoch": text("whose words contradict each other"),
        "open": flag("something of it is not settled"),
        "outcome": text("disputed, taken, given back"),
        "fraction_bps": whole("of its stake, put aside so far"),
        "due_bps": whole("of its stake, due by all that is proven"),
        "dispute_until_s": _at("the arbiter may give it back before", nullable=False),
        "taken_wei": _wei("taken for good; null: no endpoint looks so far back"),
        "finder": text("who proved it"),
    }
)
_EPOCH = object_of(
    {
        "epoch": text("of the store"),
        "ended": flag("another one followed, or its words are too old to be proven"),
        "root": text("of what is owed; null: no report yet", nullable=True),
        "posted_s": _at("when the report came"),
        "report_missing": flag("it has ended and was funded, and has no report"),
        "rolled_over": flag("the rest went to a later epoch"),
        "closes_s": _at("after this the rest may be rolled over"),
        "pots": list_of(
            object_of(
                {
                    "asset": text("token; the zero address is ether"),
                    "funded": text("in its smallest unit"),
                    "left": text("of it, not claimed"),
                    "claimed": text("of it; null: the rest was rolled over", nullable=True),
                }
            )
        ),
    }
)
STAKE = object_of(
    {
        "target": text("name of the store"),
        "block": whole("at which all of this was read"),
        "at_s": _at("its time", nullable=False),
        "read_at_ms": whole("when the reading was complete", nullable=True),
        "age_s": whole("since then, rounded up", nullable=True),
        "every_s": whole("seconds between two readings"),
        "error": text("why the newest reading came to nothing, so that this is older; empty: it did not"),
        "contracts": object_of(
            {
                "set": text("StakedSet, which owns the store"),
                "book": text("KeyBook"),
                "penalties": text("Penalties"),
                "rewards": text("Rewards"),
                "sources": list_of(object_of({"address": text("of a source"), "kind": text("where its stake lies")})),
            }
        ),
        "epoch": text("in force"),
        "by_stake": flag("its set was frozen by stake; false: it was named when the store was deployed"),
        "threshold": text(f"T: weight that seals; {_WEIGHT}"),
        "weight": text("of all in the set now"),
        "frozen_weight": text("of all when it was frozen; more than `weight`: somebody was cut", nullable=True),
        "expires_s": _at("the first round_time that this set may not sign; null: only another set ends it"),
        "provable_until_s": _at("the last moment at which its words can be proven"),
        "rotate_due_s": _at("from then on anybody may have the next set made", nullable=False),
        "scheduled": or_null(
            object_of(
                {
                    "epoch": text("that waits"),
                    "at_s": _at("when it begins", nullable=False),
                    "armed": flag("its members signed; without it the set does not begin"),
                }
            )
        ),
        "next": or_null(
            object_of(
                {
                    "threshold": text("T of the set that a freeze would make now"),
                    "total": text("its weight"),
                    "members": whole("how many it has"),
                    "least_members": whole("how many it needs"),
                    "can_be_made": flag("false: more stake has left than T may fall at a time"),
                }
            )
        ),
        "silent": flag(
            "the last freeze made no set, or one now would make none: too few members, or less stake than T"
        ),
        "least_stake_wei": text("that a member needs, wei"),
        "slashable_wei": text("of the members in force together, counted once, wei"),
        "complete": flag("every source answered for every member; false: that is the least"),
        "operators": list_of(_OPERATOR),
        "cases": list_of(_CASE),
        "penalties": object_of(
            {
                "alone_bps": whole("of its stake, that an operator loses that lied alone"),
                "dispute_s": whole("from a proof to the end of its dispute, seconds"),
                "finder_bps": whole("of what is taken, for who proved it, at most"),
                "arbiter": text("who may give back during a dispute; null: nobody", nullable=True),
            }
        ),
        "rewards": list_of(_EPOCH),
    }
)
