"""SQLite: what went in and what came out, durable before anything is sent."""
