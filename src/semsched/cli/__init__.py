"""The command line."""

from semsched.cli.app import main

__all__ = ["main"]
