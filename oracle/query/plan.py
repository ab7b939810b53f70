"""The plan: the spec that a question means, made of the feed's own section by the rules of the config; and what it may cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from feeds.types import Kind
from feeds.units import wad_text
from oracle.combine.methods.ema import CurveEma, PythEma
from oracle.combine.methods.registry import METHODS
from oracle.combine.methods.trade_window import TradeBlock
from oracle.config.resolve import ResolvedConfig, reachable_groups, resolve_feed, subset
from oracle.config.tables.feed_sections import FeedSection
from oracle.config.tables.schema import ConfigError
from oracle.model.spec import FeedSpec
from oracle.model.suggest import nearest
from oracle.query.question import BAD_QUERY, TOO_COSTLY, PriceQuestion, QuestionRefused
from oracle.query.sources import KnownSource, chosen
from oracle.query.tokens import symbol_of

_FADED = 20
"""After so many half-lives a millionth of an exponential average is left of what was before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLimits:
    """``rounds``: folded for one answer, the warm-up too. ``points``: of a series. ``cpu_ms``: of the reader. ``at_once``: rounds read in one go."""

    rounds: int = 20_000
    points: int = 2_000
    cpu_ms: int = 15_000
    at_once: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlan:
    """What is folded.

    Attributes:
        question: as it was asked.
        section: the config block that gives the same price.
        spec: what it means to the core.
        is_own: whether that is the feed's own spec, so that the answer is what was published.
        sources: the market sources that are used.
        interval_s: between two rounds.
        without: sources, groups and venues that the operator whose rounds are read does not use.
    """

    question: PriceQuestion
    section: FeedSection
    spec: FeedSpec
    is_own: bool
    sources: tuple[str, ...]
    interval_s: int
    without: tuple[str, ...] = ()

    def is_whole(self, without: Sequence[str]) -> bool:
        """Whether none of the sources that were chosen is among those that an operator does not use."""
        chosen_ones = [s for s in self.spec.sources if s.name in self.sources]
        return not self.question.sources or not any({s.name, s.group} & set(without) for s in chosen_ones)

    @property
    def warm_up_s(self) -> int:
        """How long before the first price the fold begins, so that windows are full and no dwell is cut short."""
        spec = self.spec
        method, bands = METHODS[spec.method], spec.bands
        window_s = spec.window_s + spec.tuning.shift_s if method.over_time is not None else 0
        if isinstance(method.over_time, TradeBlock) and method.over_time.averaged:
            window_s *= 2 * spec.tuning.points
        elif isinstance(method.over_time, CurveEma | PythEma):
            window_s = max(window_s, _FADED * spec.tuning.half_life_s)
        recent_s = spec.tuning.recent_s if spec.outliers == "recent" else 0
        pools_s = max((s.average_s for s in spec.sources), default=0)
        dwell_s = max(bands.watch_dwell_s, bands.depeg_dwell_s, bands.leave_dwell_s, spec.halt_after_s)
        return max(window_s, recent_s, pools_s) + dwell_s


def planned(
    resolved: ResolvedConfig,
    question: PriceQuestion,
    *,
    operator: str = "",
    without: Sequence[str] = (),
    depths: Mapping[str, int] | None = None,
) -> QueryPlan:
    """What a question means.

    Args:
        resolved: the checked config.
        question: what is asked.
        operator: whose rounds are read; "": not known yet.
        without: what it does not use.
        depths: of the market sources at the question's beginning; None: not known yet, and nothing is left out for it.

    Raises:
        QuestionRefused: it cannot be answered, why, and what to ask instead.
    """
    question = _by_symbols(resolved, question)
    own = _feed_of(resolved, question)
    section = resolved.config.feeds[own.feed]
    plans = [p for p in resolved.sources if p.feed == own.feed]
    kinds = list(zip(plans, section.sources, strict=True))
    known = [KnownSource.of(p, s) for p, s in kinds if p.spec.kind is Kind.MARKET]
    names = chosen(known, question.sources, depths)
    if question.sources and (absent := [k.name for k in known if k.name in names and {k.name, k.group} & set(without)]):
        text = f"the answer is of the inputs of operator {operator}, and operator {operator} does not use {', '.join(absent)}"
        raise QuestionRefused(BAD_QUERY, text, "leave it out, or ask another operator's endpoint")
    _check_trades(own, question)
    left = tuple(s for p, s in kinds if p.spec.kind is not Kind.MARKET or p.spec.name in names)
    asked = _section(section, question, left)
    if question.sources:
        asked = _with_groups(asked, own, names)
    try:
        spec, _ = resolve_feed(resolved.config, own.feed, asked)
    except ConfigError as e:
        raise QuestionRefused(BAD_QUERY, "; ".join(_faults(e, own.feed))) from None
    return QueryPlan(
        question=question,
        section=asked,
        spec=subset(spec, without),
        is_own=spec == own,
        sources=tuple(n for n in names if n not in without),
        interval_s=resolved.config.oracle.round_interval_s,
        without=tuple(without),
    )


def _by_symbols(resolved: ResolvedConfig, question: PriceQuestion) -> PriceQuestion:
    """The question with symbols in place of contracts."""
    base, quote = (symbol_of(resolved.config.catalog, t) for t in (question.base, question.quote))
    return replace(question, base=base, quote=quote)


def _feed_of(resolved: ResolvedConfig, question: PriceQuestion) -> FeedSpec:
    """The feed whose inputs are taken."""
    name, pair = question.feed_name, f"{question.base}/{question.quote}"
    spec = resolved.specs.get(name)
    if spec is None:
        raise QuestionRefused(BAD_QUERY, f"there is no feed {name[:80]!r}", nearest(name[:80], resolved.specs))
    if str(spec.pair) != pair:
        raise QuestionRefused(BAD_QUERY, f"{name} is not a feed of {pair[:80]}", f"it is one of {spec.pair}")
    if not spec.sources:
        legs = spec.legs or (spec.share_of or "",)
        text = f"{name} has no sources of its own, it is computed from {' and '.join(legs)}"
        raise QuestionRefused(BAD_QUERY, text, "ask of those")
    return spec


def _check_trades(own: FeedSpec, question: PriceQuestion) -> None:
    """Trades are stored only for a feed whose own method is made of them."""
    asked = METHODS.get(question.method or own.method)
    if asked is not None and asked.of_trades and not METHODS[own.method].of_trades:
        text = f"{question.method} is made of trades, and the rounds of {own.feed} keep none, for its own method is {own.method}"
        fit = ", ".join(sorted(n for n, m in METHODS.items() if not m.of_trades))
        raise QuestionRefused(BAD_QUERY, text, f"ask a feed whose method is of trades, or by one of {fit}")
    if question.dust is None:
        return
    if asked is not None and not asked.of_trades:
        text = f"dust leaves out trades, and {question.method or own.method} is made of quotes"
        raise QuestionRefused(BAD_QUERY, text, "leave dust out, or ask by a method of trades")
    if question.dust < own.tuning.dust:
        text = f"trades of less than {wad_text(own.tuning.dust)} are not kept of {own.feed}"
        raise QuestionRefused(BAD_QUERY, text, "write that or more")


def _section(section: FeedSection, question: PriceQuestion, left: tuple[object, ...]) -> FeedSection:
    changes = {
        "method": question.method,
        "outliers": question.filter,
        "window_s": question.window_s,
    }
    written = {k: v for k, v in changes.items() if v is not None}
    if question.dust is not None:
        section = replace(section, tuning=replace(section.tuning, dust=question.dust))
    return replace(section, **written, sources=left)  # type: ignore[arg-type]


def _with_groups(section: FeedSection, own: FeedSpec, names: Sequence[str]) -> FeedSection:
    """The section with the quorum that is left; of one group alone the status is at best watch."""
    sources = tuple(s for s in own.sources if s.kind is not Kind.MARKET or s.name in names)
    groups = reachable_groups(replace(own, sources=sources))
    least = min(section.min_groups, len(groups))
    known = {n for s in sources for n in (s.group, s.name)}
    shares = tuple((g, w) for g, w in section.tuning.shares if g in known)
    return replace(
        section,
        min_groups=least,
        accept_single_group=section.accept_single_group or (len(groups) == 1 and own.has_market),
        tuning=replace(section.tuning, shares=shares),
    )


def _faults(error: ConfigError, feed: str) -> Iterator[str]:
    for problem in error.problems:
        yield str(problem).removeprefix(f'feeds."{feed}"').removeprefix(".")


def check_cost(rounds: int, asked: int, *, from_s: int, to_s: int, step_s: int | None, limits: QueryLimits) -> None:
    """Refuse what would take too long, before anything of it is read.

    Args:
        rounds: that would be folded.
        asked: those among them of the time that is asked of; the others are the warm-up.
        from_s: its beginning.
        to_s: its end.
        step_s: between two prices.
        limits: of cost.

    Raises:
        QuestionRefused: with what to ask instead.
    """
    points = 1 if step_s is None else (to_s - from_s) // step_s + 1
    if points > limits.points:
        least = -(-(to_s - from_s) // max(1, limits.points - 1))
        raise QuestionRefused(
            TOO_COSTLY,
            f"{points} prices are more than {limits.points}",
            f"write step_s = {least} or more, or ask a shorter time",
        )
    if rounds > limits.rounds:
        left = limits.rounds - (rounds - asked)
        text = (
            f"{rounds} rounds would be folded, {rounds - asked} of them as a warm-up, and {limits.rounds} is the most"
        )
        span_s = (to_s - from_s) * left // asked if left > 0 and asked else 0
        asks = f"ask a time of about {span_s} s" if span_s else "ask a window_s or a method that looks back less far"
        raise QuestionRefused(TOO_COSTLY, text, f"{asks}, or offline with lrt-oracle query")
