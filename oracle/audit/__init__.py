"""The past, recomputed from what was stored, and disowned where it was not true."""
