"""`lrt-oracle catalog`: every entry of the catalogue, held against the chains that it is on."""
