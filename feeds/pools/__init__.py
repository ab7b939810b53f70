"""Pools: calls out, bytes in, a quote with its depth out. No I/O."""
