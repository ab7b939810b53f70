"""Operators by stake: what the contracts that hold it have to be told, and what they say."""
