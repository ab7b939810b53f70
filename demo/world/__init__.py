"""The local chain and what is deployed on it: real pools and lenders, and their trader."""
