"""Broken frames against the parser, seeded: a short form here, the long one by ``make fuzz`` (LRT_ORACLE_FRAME_FUZZ frames).

Frame number n is always the same one, so a run can be cut into parts (LRT_ORACLE_FRAME_FUZZ_START) and a failure repeated.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from functools import partial

import pytest

from oracle.network.mesh.faults import LinkFault, LinkRefused
from oracle.network.mesh.hello import hello_bytes, read_hello
from oracle.network.mesh.session import CHECK, FrameCheck
from tests.oracle.network.mesh.frame_samples import assert_sane, broken
from tests.oracle.network.mesh.hello_samples import HELLO
from tests.oracle.network.mesh.mesh_world import DOMAIN, refusal_of

START = int(os.environ.get("LRT_ORACLE_FRAME_FUZZ_START", "0"))
COUNT = int(os.environ.get("LRT_ORACLE_FRAME_FUZZ", "20000"))


@pytest.mark.fuzz
def test_broken_frames_are_read_or_refused_and_nothing_else() -> None:
    seen: Counter[LinkFault | None] = Counter()
    for n in range(START, START + COUNT):
        seen[assert_sane(broken(random.Random(f"frame {n}")))] += 1
    assert set(seen) >= {None, LinkFault.MALFORMED, LinkFault.UNKNOWN_KIND}, "the samples reach what they are for"


@pytest.mark.fuzz
def test_no_broken_frame_passes_the_check() -> None:
    key = bytes(32)
    for n in range(START, START + COUNT // 4):
        rng = random.Random(f"checked {n}")
        raw = bytearray(FrameCheck(key).sealed(1, rng.randbytes(rng.choice([0, 5, 300]))))
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(raw))
            raw[at] ^= rng.randrange(1, 256)
        if rng.random() < 0.3:
            del raw[rng.randrange(CHECK + 1) :]
        if bytes(raw) == FrameCheck(key).sealed(1, bytes(raw[1:-CHECK])):
            continue  # changed back by chance
        with pytest.raises(LinkRefused):
            FrameCheck(key).opened(bytes(raw))


@pytest.mark.fuzz
def test_broken_hellos_are_read_or_refused_and_nothing_else() -> None:
    whole = hello_bytes(HELLO)
    for n in range(START, START + COUNT // 4):
        rng = random.Random(f"hello {n}")
        raw = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        if rng.random() < 0.3:
            del raw[rng.randrange(len(raw) + 1) :]
        if rng.random() < 0.1:
            raw = bytearray(rng.randbytes(rng.randrange(600)))
        refused = refusal_of(partial(read_hello, bytes(raw), DOMAIN))
        assert refused is None or len(str(refused)) < 300
