"""Streams as documents: load, look, change, save.

Knows every format below it; knows no command line and no report.
"""
