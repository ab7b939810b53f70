"""Exchanges: streams, their REST fallback, and the newest quote of each symbol."""
