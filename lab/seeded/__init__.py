"""Worlds made from a seed, with liars and falls: what methods and the judge are worth on them."""
