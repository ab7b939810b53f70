"""Keys that are not in this process: with a remote signer, in a hardware token, in a cloud."""
