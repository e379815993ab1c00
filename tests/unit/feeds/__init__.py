"""Feeds: what others publish, read without trust."""
