"""A node: a process without keys, sources and database that serves what it has verified of operators' sealed rounds."""
