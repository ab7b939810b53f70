"""The next signer set is armed: by the operators of this process, or by hand with signatures from several machines."""
