"""Exchanges: a request or subscription out, bytes in, quotes out. No I/O."""
