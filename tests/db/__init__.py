"""Tests on the real databases: SQLite, and a PostgreSQL that they start and stop."""
