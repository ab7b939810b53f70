"""Following operators from outside: their sealed rounds, each verified against the store's own signer set before anybody sees it."""
