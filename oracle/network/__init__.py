"""Operators in separate processes talk to each other: a mesh of links that carries opaque payloads and trusts nobody."""
