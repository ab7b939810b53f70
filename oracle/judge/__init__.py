"""Judge: the market price against what the protocol owes."""
