"""What other designs would have published from the same quotes: each as its documents or sources describe it, no more."""
