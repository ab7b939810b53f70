"""How a rate and a provider's feed of the catalogue are read: the adapter and its keys."""

from __future__ import annotations

from typing import Any

from feeds.catalog.rate_graph import RateStep
from feeds.catalog.records import Reference


def step_text(step: RateStep) -> str:
    """A step as the adapter ``rate_path`` takes it."""
    rate, pair = step.rate, f"{step.base}/{step.quote}"
    if rate.par is not None:
        return f"{pair} par"
    parts = [pair, rate.contract or "", rate.function or "", *rate.args]
    parts += [f"word={rate.word}"] if rate.word else []
    if rate.over_contract is not None:
        parts += ["over", rate.over_contract, rate.over_function or ""]
        parts += [f"word={rate.over_word}"] if rate.over_word else []
    elif rate.scale != 18:  # noqa: PLR2004 - the adapter's default
        parts.append(f"scale={rate.scale}")
    return " ".join(parts)


def reader(reference: Reference) -> dict[str, Any]:
    """The adapter of a provider's feed and its keys; an answer may be a tenth older than the provider's heartbeat."""
    oldest = {"oldest_s": reference.heartbeat_s * 11 // 10 + 300} if reference.heartbeat_s else {}
    if reference.provider == "pyth":
        return {"type": "pyth", "contract": reference.address, "feed_id": reference.feed_id, **oldest}
    if reference.provider == "chronicle":
        return {"type": "chronicle", "contract": reference.address, **oldest}
    if reference.provider == "api3":
        return {"type": "api3", "proxy": reference.address, **oldest}
    if reference.provider == "aave_capo":
        return {"type": "chainlink", "feed": reference.address, "answer_only": True, "decimals": 8}
    return {"type": "chainlink", "feed": reference.address, **oldest}
