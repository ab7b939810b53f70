"""The public benchmark of price oracles: cases as files that any oracle can be run on, and a scorer of what it answered."""
