"""Combine: many observations to one price with its spread, or a reason why not."""
