"""The frozen values of a round, and their canonical JSON. No rule, no I/O."""
