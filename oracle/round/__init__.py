"""A whole round: every feed of every operator, folded, agreed on and published."""
