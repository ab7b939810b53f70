"""Query: a price of one's own choice of sources, method and time, by the same fold and judge; never signed."""
