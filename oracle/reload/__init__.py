"""A changed config in a running process: what is different, what of it is changed between two rounds, and how it is asked for."""
