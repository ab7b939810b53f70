"""Compose: the signed record and its bytes."""
