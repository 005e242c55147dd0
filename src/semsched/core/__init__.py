"""The scheduler, pure: no clock, no I/O, no randomness; every method takes `now`."""
