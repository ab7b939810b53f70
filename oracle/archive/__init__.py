"""The archive: verified rounds for good, in PostgreSQL and from there in Parquet files; for analysts, and for nodes beyond their memory."""
