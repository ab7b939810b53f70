"""The schema of what secures one price."""

from __future__ import annotations

from oracle.serve.openapi.schema import Schema, flag, list_of, object_of, or_null, text, whole


def _lie(weight: str, lost: str) -> Schema:
    return object_of(
        {
            "weight": text(f"that it takes: {weight}"),
            "operators": list_of(text("of the coalition that has this weight and least to lose")),
            "fewest": whole("operators that can have this weight; 0: nobody has"),
            "at_stake_wei": text(
                "what that coalition has that can be slashed; null: nobody has the weight", nullable=True
            ),
            "lost_wei": text(f"{lost}, wei"),
        }
    )


_NOTHING = "of that taken by the contracts: 0, for it contradicts nothing"
_STAKE = object_of(
    {
        "target": text("whose signers"),
        "block": whole("at which all of this was read"),
        "at_s": whole("its time, Unix s"),
        "read_at_ms": whole("when it was read", nullable=True),
        "age_s": whole("since then, rounded up", nullable=True),
        "every_s": whole("seconds between two readings"),
        "error": text("why the newest reading came to nothing; empty: it did not"),
        "epoch": text("that was in force"),
        "by_stake": flag("all weight in force was frozen by stake; false: of the rest nothing can be slashed"),
        "complete": flag("every source answered; false: the figures are the least that is known"),
        "slashable_wei": text("of all members in force, counted once"),
        "by_source": list_of(
            object_of(
                {"address": text("of the source"), "kind": text("where it lies"), "wei": text("what of it is there")}
            )
        ),
        "two_contents": or_null(
            _lie("2T - W, which can seal two contents of one round", "of that taken once it is proven")
        ),
        "false_price": _lie("T, which can seal one false content", _NOTHING),
        "any_price": _lie("the step threshold, with which any price lands at once", _NOTHING),
        "silence": _lie("W - T + 1, without which no round is sealed", _NOTHING),
        "others_can_slash_wei": text("part of it that other networks can slash too"),
        "by_collateral": list_of(
            object_of({"of": text("token, ether of validators, or unknown collateral"), "wei": text("in it")})
        ),
        "dispute_s": whole("from a proof to the end of its dispute, seconds"),
        "doubts": list_of(text("what may be wrong with the figures")),
    }
)
SECURITY = object_of(
    {
        "feed": text("name"),
        "round": whole("of its last record; null: there is none", nullable=True),
        "target": text("for whose store it was signed; null: nobody signed it", nullable=True),
        "epoch": text("of its signers; null: they are not known", nullable=True),
        "threshold": text("weight that seals, in that set", nullable=True),
        "signed_weight": text("of those who signed", nullable=True),
        "signers": list_of(
            object_of(
                {
                    "key": text("report key"),
                    "name": text("in the config, else the key"),
                    "signed": flag("this record"),
                    "weight": text("in the set that signed"),
                    "operator": text(
                        "whose stake answers for it; null: not frozen by stake, or of another epoch", nullable=True
                    ),
                    "slashable_wei": text(
                        "of its stake, counted once; null: nobody answers for this key", nullable=True
                    ),
                    "complete": flag("every source of it answered"),
                }
            )
        ),
        "stake_why": text("why `stake` is null; empty: it is not"),
        "stake": or_null(_STAKE),
        "unknown": list_of(text("why the figures may say nothing of this record")),
    }
)
