"""Rows and metrics become tables and files; nothing is measured here."""
