"""Whole calls on the real Asterisk."""
