"""What operators say: messages, digests, keys and journals, and how several of them agree on one report."""
