"""Observations to signed reports: combine, judge, compose, sign, push and serve."""
