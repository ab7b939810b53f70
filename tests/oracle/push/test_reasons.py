"""Why feeds were pushed, as the journal keeps it: read back as it was written, and nothing is read into other texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oracle.push.due import reasons_of, reasons_text

FEEDS = st.sampled_from(["wdivETH/ETH", "ETH/USD", "weETH/ETH#2", "stETH/USD"])
REASONS = st.sampled_from(
    ["first", "status ok to depeg", "market moved 51 bps", "-9 to -42 bps from the peg", "heartbeat"]
)


@given(st.dictionaries(FEEDS, REASONS))
def test_what_is_written_is_read_back(reasons: dict[str, str]) -> None:
    assert reasons_of(reasons_text(reasons)) == reasons


def test_the_stored_form_stays_and_an_arming_is_of_no_feed() -> None:
    text = reasons_text({"wdivETH/ETH": "status ok to depeg", "ETH/USD": "goes along"})
    assert text == "wdivETH/ETH: status ok to depeg; ETH/USD: goes along"
    assert reasons_of("") == {}
    assert "ETH/USD" not in reasons_of("arms epoch 2: signed by alpha, beta")
