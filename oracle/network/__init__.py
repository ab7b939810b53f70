"""Network: operators of other processes, how they are reached, and the rounds that are agreed on with them."""
