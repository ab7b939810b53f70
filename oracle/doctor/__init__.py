"""Looks through a set-up: this machine, its files, endpoints, sources, stores and peers; each finding with what to do."""
