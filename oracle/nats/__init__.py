"""NATS with JetStream, which carries sealed rounds to many: how rounds are named there, and handing them on out of the database."""
