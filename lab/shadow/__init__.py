"""The report of a shadow run: stored rounds of a feed held against what reference oracles said in the same rounds."""
