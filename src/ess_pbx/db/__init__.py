"""The database: what reports and screens read. It follows the journal and is never waited for."""
