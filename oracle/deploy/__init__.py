"""Contracts at addresses known before, verified, and the file that says what was made."""
