"""TOML to checked settings: sections, their checks, and what follows from them."""
