"""What a play came to: figures, a lending book, expectations, the worst of all cases."""
