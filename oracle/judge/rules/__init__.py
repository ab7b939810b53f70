"""What the judge looks for. Each rule is one small pure function from a round to a status with its reason."""
