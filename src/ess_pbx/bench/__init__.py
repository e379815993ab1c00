"""Figures of the running engine, each beside plain Asterisk on the same machine in the same run."""
