"""What has to be outbid, and how far it rises: laws over random histories of what nodes say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.node_refusals import SendOutcome
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.transaction import FeeConditions, FeeMarket, Fees, Unsigned
from oracle.model.publication import GIVEN_UP, PushRow, PushState
from oracle.push.sending.replacement import ReplacementPolicy

GWEI = 10**9
CEILING_WEI = 500 * GWEI
BUMP_S = 15
LOOK_MS = 500
MARKET = FeeMarket(base_wei=5 * GWEI, tip_wei=GWEI, raised_tip_wei=2 * GWEI)
REFUSED = st.sampled_from([s for s in SendOutcome if s not in (SendOutcome.TAKEN, SendOutcome.REPLACEMENT)])


@dataclass
class Nonce:
    """The rows of nonce nonce, each made anew as the fees say."""

    now_ms: int = 0
    rows: list[PushRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.policy = ReplacementPolicy(BUMP_S, lambda: self.now_ms)

    def offer(self, *, starved: bool = False, market: FeeMarket = MARKET) -> Fees | None:
        """One more row, unless nothing more may be offered yet."""
        above = self.policy.to_outbid(self.rows, self.rows[-1] if starved and self.rows else None)
        if above is not None and not self.policy.may_raise(7):
            return None
        fees = market.fees(above, CEILING_WEI, FeeConditions(raised_tip=True))
        assert fees is not None
        if above is not None:
            self.policy.note_raised(7)
        raw = Unsigned(chain_id=1, nonce=7, fees=fees, gas=1, to=bytes(20), data=b"").signed(b"\1" * 65).raw
        self.rows.append(
            PushRow(
                id=len(self.rows), target="t", chain_id=1, round_s=1, items=b"", nonce=7, tx_hash="", raw=raw,
                state=PushState.PREPARED, made_ms=self.now_ms,
            )
        )  # fmt: skip
        return fees

    def answer(self, sent: SendOutcome) -> None:
        """What the nodes say of the newest row."""
        if sent is SendOutcome.TAKEN:
            self.rows[-1] = replace(self.rows[-1], state=PushState.SENT, taken=1)
        if sent is SendOutcome.REPLACEMENT:
            self.policy.note_held(7)


@given(st.lists(st.tuples(REFUSED, st.sampled_from([PushState.PREPARED, *GIVEN_UP])), max_size=60))
def test_however_often_it_is_refused_what_nobody_holds_is_offered_at_the_market(
    answers: list[tuple[SendOutcome, PushState]],
) -> None:
    nonce, starved = Nonce(), False
    for sent, became in answers:
        fees = nonce.offer(starved=starved)
        assert fees is None or fees.tip_wei == MARKET.raised_tip_wei
        nonce.answer(sent)
        starved = sent is SendOutcome.BELOW_BASE_FEE
        nonce.rows[-1] = replace(nonce.rows[-1], state=became)
        nonce.now_ms += LOOK_MS


@given(
    ended=st.sampled_from([PushState.SENT, PushState.EXPIRED, PushState.REPLACED]), later=st.lists(REFUSED, max_size=20)
)
def test_control_what_a_node_took_is_outbid_by_an_eighth_whatever_became_of_it(
    ended: PushState, later: list[SendOutcome]
) -> None:
    nonce = Nonce()
    held = nonce.offer()
    assert held is not None
    nonce.answer(SendOutcome.TAKEN)
    nonce.rows[-1] = replace(nonce.rows[-1], state=ended)
    for sent in later:
        fees = nonce.offer()
        if fees is not None:
            assert fees == Fees(tip_wei=held.tip_wei * 9 // 8 + 1, max_wei=held.max_wei * 9 // 8 + 1), "and no further"
        nonce.answer(sent)
        nonce.now_ms += LOOK_MS


@given(
    st.lists(
        st.sampled_from([SendOutcome.REPLACEMENT, SendOutcome.UNKNOWN, SendOutcome.TAKEN]), min_size=1, max_size=200
    )
)
def test_what_a_node_holds_is_outbid_at_once_and_then_each_pause_and_no_faster(answers: list[SendOutcome]) -> None:
    nonce = Nonce()
    offers = []
    for sent in answers:
        fees = nonce.offer()
        if fees is not None:
            offers.append(fees.tip_wei)
        nonce.answer(sent)
        nonce.now_ms += LOOK_MS
    rises = sum(b > a for a, b in pairwise(offers))
    assert rises <= 1 + nonce.now_ms // (BUMP_S * 1_000)


def test_a_maximum_below_the_base_fee_rises_alone() -> None:
    nonce = Nonce()
    low, stale = nonce.offer(), replace(MARKET, base_wei=GWEI)
    high = nonce.offer(starved=True, market=stale)
    assert low is not None
    assert high == Fees(tip_wei=low.tip_wei, max_wei=low.max_wei * 9 // 8 + 1)
    assert nonce.offer(starved=True, market=stale) is None, "not twice within a pause"


def test_a_row_that_no_node_will_ever_take_is_not_what_another_node_holds() -> None:
    nonce = Nonce()
    nonce.offer()
    nonce.rows[-1] = replace(nonce.rows[-1], state=PushState.REFUSED)
    nonce.answer(SendOutcome.REPLACEMENT)
    assert nonce.policy.to_outbid(nonce.rows) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 600)), max_size=20))
def test_blocks_lie_at_least_a_second_and_at_most_twelve_apart(steps: list[tuple[int, int]]) -> None:
    policy, head = ReplacementPolicy(BUMP_S, lambda: 0), BlockHead(number=10, time_s=1_000)
    first = head
    for blocks, seconds in [(0, 0), *steps]:
        head = BlockHead(number=head.number + blocks, time_s=head.time_s + seconds)
        policy.note_block(head)
    apart_s = -(-(head.time_s - first.time_s) // max(1, head.number - first.number))
    assert policy.block_s == max(1, min(12, apart_s))


@given(st.integers(1, 20))
def test_what_a_node_holds_that_we_know_nothing_of_is_outbid_an_eighth_at_a_time(rises: int) -> None:
    """Another process with the same key, or a journal that was lost."""
    nonce = Nonce()
    before = nonce.offer()
    for _ in range(rises):
        nonce.answer(SendOutcome.REPLACEMENT)
        assert before is not None
        after = nonce.offer()
        assert after == Fees(tip_wei=before.tip_wei * 9 // 8 + 1, max_wei=before.max_wei * 9 // 8 + 1)
        before, nonce.now_ms = after, nonce.now_ms + BUMP_S * 1_000
