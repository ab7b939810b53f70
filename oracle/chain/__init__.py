"""The store on a chain: several endpoints as one, its state and its rules, transactions and their fees."""
