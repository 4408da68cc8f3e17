"""Reads of the console's pages: each page's numbers in a few queries, as plain values."""
