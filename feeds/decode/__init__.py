"""Bytes to exact integers, or a typed error. Pure."""
