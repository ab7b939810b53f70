"""Assembles what the config describes: operators with their keys and journals, targets with their clients."""
