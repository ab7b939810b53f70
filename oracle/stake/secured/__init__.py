"""What secures a price: whose stake answers for it, what a lie costs whom, and what is not known."""
