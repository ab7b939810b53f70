"""The past: recomputed from what was stored, and withdrawn where it was not true."""
