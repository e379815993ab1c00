"""The pure core, in virtual time."""
