"""Several operators, each a process of its own, around one local chain and the demo's venues."""
