"""Checking the books: every invariant that the product promises, looked up in the database as it stands."""
