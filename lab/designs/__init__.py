"""What other designs would have published from the same quotes: each as its documents or sources describe it, no more.

Left out, in fairness to them: limits on the age of a quote (a case of daily rows would silence the
design), operators' manual stops, and DIA's guard against two aggregators' prices, which no case can know.
"""
