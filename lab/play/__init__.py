"""A scenario played by the real pipeline and by the designs of others, round for round."""
