"""Operators that misbehave on a real network: each is the real thing, but for what it says or does there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from demo.fleet import hostile_process as hostile
from demo.fleet import misbehaving as members
from demo.liar import Liar
from oracle.assemble.network import MakeMember, make_member
from oracle.build import Components
from oracle.network.seats import LocalMember

LATE_EPOCH = 2
"""From its first round on, who betrays the others late does so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How an operator's process differs from an honest one.

    Attributes:
        says: what it does, for people.
        member: makes its member.
        prepare: changes what the process is made of, before it runs.
        tasks: what runs beside it.
        clock_ahead_ms: how wrong its machine's clock is.
        from_epoch: in rounds of earlier ones it is honest.
    """

    says: str
    member: MakeMember = make_member
    prepare: Callable[[Components], None] = lambda _: None
    tasks: Callable[[Components], Sequence[hostile.Task]] = lambda _: ()
    clock_ahead_ms: int = 0
    from_epoch: int = 0


def _as(kind: type[LocalMember]) -> MakeMember:
    return lambda operator: kind(operator=operator)


def _listening(kind: type[members.Listening], says: str) -> Behaviour:
    return Behaviour(says=says, member=_as(kind), prepare=hostile.keep_ear)


BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType({
    "honest": Behaviour(says="nothing is wrong with it"),
    "liar": Behaviour(says="proposes prices 3 % too high whenever it leads", member=_as(Liar)),
    "splits": _listening(members.Splitter, "proposes two things to two halves, both correctly signed, whenever it leads"),
    "omits": _listening(members.Omitter, "leaves out the values of one member whenever it leads"),
    "invents": _listening(members.Inventor, "proposes values that nobody sent whenever it leads"),
    "silent-leader": _listening(members.SilentLeader, "proposes nothing when it leads"),
    "all-but-leader": _listening(members.AllButTheLeader, "sends its values to all but the leader"),
    "two-values": _listening(members.TwoValues, "signs other values for one half than for the other"),
    "two-signatures": _listening(members.TwoSignatures, "signs the round, and other items of it too, past its journal"),
    "two-signatures-late": Behaviour(
        says=f"is honest until epoch {LATE_EPOCH}, and then signs other items of each round too, past its journal",
        member=lambda operator: members.TwoSignatures(operator=operator, from_epoch=LATE_EPOCH),
        from_epoch=LATE_EPOCH,
    ),
    "garbage": _listening(members.GarbageCertificates, "sends signatures with certificates that nobody signed"),
    "far-values": _listening(members.FarValues, "sends values 3 % too high"),
    "old-version": Behaviour(says="speaks the version before", prepare=hostile.speak_old_version),
    "replays": Behaviour(says="repeats words of old rounds with each word", prepare=hostile.replay),
    "floods": Behaviour(says="sends a kilobyte to all as fast as it can", tasks=hostile.flood),
    "half-frames": Behaviour(says="sends frames that end in the middle", tasks=hostile.send_half_frames),
    "wrong-clock": Behaviour(says="has a clock 1.5 s ahead", clock_ahead_ms=1_500),
})  # fmt: skip
