"""Asterisk as a program: its configuration rendered from settings, its process run."""
