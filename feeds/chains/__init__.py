"""Reading chains: endpoints that must agree, batches at one pinned block, what a pool said before."""
