"""TOML tables in, typed sections and catalogue facts out, with problems that say what to do."""
