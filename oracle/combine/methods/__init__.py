"""Methodologies: inputs to one price. One small file each, by name in the config."""
