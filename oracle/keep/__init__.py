"""Keep: what must be done for the contracts of stake is done by running operators, one at a time, within a budget of gas."""
