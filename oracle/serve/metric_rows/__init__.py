"""Every metric by topic: the rows of the catalogue."""
