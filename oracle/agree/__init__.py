"""How operators agree on a round: who leads, and the rules by which a round is sealed. Pure: no I/O, no clock."""
