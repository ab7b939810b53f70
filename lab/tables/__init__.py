"""Tables that people bring: read once, each fault in one line."""
