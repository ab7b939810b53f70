"""The store on a chain: its state mirrored, transactions made, nodes asked, contracts deployed."""
