"""Rates: what a protocol owes for one token. No I/O."""
