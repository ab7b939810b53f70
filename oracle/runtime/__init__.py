"""Our time, and the loops that neither a clock nor a fault stops."""
