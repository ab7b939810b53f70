"""`lrt-oracle bench`: what this machine does, as ratios within one run."""
