"""Push: what is due at each store, journalled, sent and watched until it is final."""
