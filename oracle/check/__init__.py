"""`lrt-oracle check`: what a config claims, held against the chains it names."""
