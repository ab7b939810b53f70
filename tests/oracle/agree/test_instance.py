"""One round of honest members, with some of them dead, parted or blind."""

from __future__ import annotations

from oracle.agree.instance import begin, hear
from oracle.agree.messages import Advance, Advancing, Commit, Heard, Ready
from oracle.agree.state import OwnView, Say, SignCommit
from oracle.agree.verify import check_sealed
from oracle.report.wire import split_items
from oracle.sign.eip712 import address_of
from tests.oracle.agree.agree_world import Members, report_key, signed_word, terms_of, view_of

PRICES = ("1.01", "1.02", "3000")


def sealed_feeds(members: Members, n: int = 0) -> list[int]:
    sealed = members.states[n].sealed
    assert sealed is not None
    check_sealed(members.terms, sealed)
    return list(split_items(sealed.content.items))


def test_a_calm_round_is_sealed_in_its_first_step_by_all() -> None:
    members = Members(terms_of(), [view_of(*PRICES)] * 4)
    members.start()
    assert sealed_feeds(members) == [0, 1, 2]
    assert members.states[0].sealed.step == 0
    assert {s.sealed.content for s in members.states} == {members.states[0].sealed.content}
    assert not members.evidence


def test_a_dead_member_costs_the_grace_and_a_dead_leader_one_attempt() -> None:
    members = Members(terms_of(), [view_of(*PRICES)] * 4)
    members.start(0, 1, 2)
    assert members.states[0].sealed is None
    members.pass_time(400, 3)
    assert sealed_feeds(members) == [0, 1, 2]

    members = Members(terms_of(), [view_of(*PRICES)] * 4, reaches=lambda a, b, _: 0 not in {a, b})
    members.start(1, 2, 3)
    members.pass_time(1_999, 0)
    assert members.states[1].sealed is None
    members.pass_time(2_001, 0)
    assert sealed_feeds(members, 1) == [0, 1, 2]
    assert members.states[1].sealed.attempt == 2


def test_four_members_each_blind_on_another_feed_seal_all() -> None:
    views = [view_of("1.01", "1.02", "3000") for _ in range(4)]
    for n in range(3):
        del views[n][n]
    members = Members(terms_of(), views)
    members.start()
    assert sealed_feeds(members) == [0, 1, 2]
    assert members.states[0].sealed.step == 0


def test_a_feed_on_which_members_part_is_dropped_in_the_same_attempt() -> None:
    views = [view_of("1.01", "1.02", "3000")] * 2 + [view_of("1.01", "1.30", "3000")] * 2
    members = Members(terms_of(), views)
    members.start()
    assert sealed_feeds(members) == [0, 2]
    assert members.states[0].sealed.attempt == 1
    assert members.states[0].sealed.content.dropped == (1,)


def test_a_feed_refused_by_one_with_another_dead_is_dropped_at_half_time() -> None:
    views = [view_of("1.01", "1.02", "3000")] * 2 + [view_of("1.01", "1.30", "3000")] * 2
    members = Members(terms_of(), views, reaches=lambda a, b, _: 3 not in {a, b})
    members.start(0, 1, 2)
    members.pass_time(999, 3)
    assert members.states[0].sealed is None
    members.pass_time(1_001, 3)
    assert sealed_feeds(members) == [0, 2]
    assert members.states[0].sealed.attempt == 1


def test_who_has_a_certificate_follows_one_that_left_without_it() -> None:
    """One misses a ready and every signature, and hears a liar refuse: it goes on at half time, and the others go with it."""

    def reaches(_from: int, to: int, said: object) -> bool:
        return (
            to != 4 or members.now_ms >= 1_000 or (not isinstance(said, Commit) and (_from, type(said)) != (3, Ready))
        )

    members = Members(
        terms_of((1,) * 7, 5), [view_of(*PRICES)] * 7, reaches=lambda a, b, w: a < 5 and b < 5 and reaches(a, b, w)
    )
    members.start(0, 1, 2, 3, 4)
    members.pass_time(500, 5, 6)
    content = members.states[4].proposals[0].content.hash()
    refusal = Ready(address_of(report_key(6)), 0, content, ((0, 2), (1, 2), (2, 2)))
    members.deliver(4, signed_word(members.terms, 6, refusal))
    members.pass_time(999, 5, 6)
    assert members.states[0].sealed is None
    members.pass_time(1_001, 5, 6)
    assert sealed_feeds(members) == sealed_feeds(members, 4) == [0, 1, 2]
    assert members.states[0].sealed.step == 1


def test_what_is_certified_in_a_step_is_signed_before_the_step_is_left() -> None:
    members = Members(terms_of(), [view_of(*PRICES)] * 4, reaches=lambda _f, _t, said: not isinstance(said, Commit))
    members.start()
    certificate = members.states[0].certificate
    assert certificate is not None
    advance = Advance(address_of(report_key(1)), 1, 0, certificate.content.hash())
    state = begin(members.terms, address_of(report_key(3)), OwnView(reports=view_of(*PRICES)))
    state, effects = hear(state, Heard(Advancing(advance, certificate)), 20)
    assert effects[0] == SignCommit(certificate)
    said = [e.said for e in effects if isinstance(e, Say)]
    assert said == [Advance(state.me, 1, 0, certificate.content.hash())]
