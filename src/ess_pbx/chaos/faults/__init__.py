"""The faults, a file for each thing that is struck."""
