"""What is due for the contracts of stake, which anybody may do: decided by what was read at one block."""
