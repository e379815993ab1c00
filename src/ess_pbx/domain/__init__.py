"""The pure core: what the centre decides. Imports nothing that does I/O or reads a clock."""
