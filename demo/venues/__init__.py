"""Local exchanges that speak the wire protocols of the real ones."""
