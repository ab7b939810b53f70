"""Watch: what every key has signed, heard or landed, held against what it signed before; two words that differ are proven."""
