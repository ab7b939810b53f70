"""Exchanges: streams, their REST fallback, and the newest word of each symbol."""
