"""What the endpoint shows of this process: newest records, indications, what is on chain, and why."""

from __future__ import annotations


class StoreDesk:
    def __init__(self, app) -> None:
        self.app = app
        self._records = {f: r for f in app.plan.specs if (r := app.store.record(f)) is not None}

    def record(self, feed):
        return self._records.get(feed)

    def onchain(self, feed):
        return tuple(t.onchain[feed] for t in self.app.targets.values() if feed in t.onchain)

    def publish(self, done):
        self._records |= {r.feed: r for r in done.records}

    def indicate(self, fresh):
        pass
