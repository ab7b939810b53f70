"""One nonce at a time: a transaction is signed, journalled, sent, and watched until it is final."""
