"""Sources to observations: what a pool, an exchange or a protocol said, as exact integers."""
