"""`lrt-oracle` itself, which also writes how many objects of which type there are when it gets SIGUSR1, to the file named by LRT_ORACLE_HEAP."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path

from oracle.__main__ import main


def _write_heap(*_: object) -> None:
    gc.collect()
    found = Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())
    target = Path(os.environ["LRT_ORACLE_HEAP"])
    part = target.with_suffix(".part")
    part.write_text(json.dumps(found.most_common()), encoding="utf-8")
    part.rename(target)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _write_heap)
    main(prog_name="lrt-oracle")
