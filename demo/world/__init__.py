"""The local chain and what stands on it: real pools and lenders, and who trades there."""
