"""The embedded default: a local chain with real pools, local venues, scenarios."""
