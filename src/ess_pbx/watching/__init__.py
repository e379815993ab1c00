"""Watches a running engine: what is wrong beside calls becomes alarms, figures and messages."""
