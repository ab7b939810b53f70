"""What is known of tokens, pools, rates and chains: TOML files and the records that they become."""
