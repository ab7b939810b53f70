"""All steps of the schema, in order. A released line is never changed; a new one goes to the end."""

from __future__ import annotations

from oracle.storage.migrations import first_tables, outbox_table, retention_tables, transition_indexes
from oracle.storage.migrations.migration import Migration

STEPS = (
    Migration(number=1, name="tables as of 0.1.0 get what came after it", run=first_tables.run),
    Migration(number=2, name="packs and roll-ups of what is old", run=retention_tables.run),
    Migration(number=3, name="the order in which sealed rounds were stored", run=outbox_table.run),
    Migration(number=4, name="status changes by feed and time", run=transition_indexes.run, needed_to_read=False),
)
NEWEST = STEPS[-1].number
"""The schema of a file that is up to date."""
