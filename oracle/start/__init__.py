"""A first config: which feeds are shipped, and the file, folders and key of a new process."""
