"""Agree: independent operators come to one sealed round over a network that nobody trusts. Pure: no I/O, no clock."""
