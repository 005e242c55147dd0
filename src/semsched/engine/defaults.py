"""What an engine does unless told; the command line shows it without importing an engine."""

MAX_NUM_WAITING = 1000
"""Requests that may wait for a seat."""
