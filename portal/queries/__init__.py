"""Reads of the portal's pages. Each starts from a customer, and none returns a cost or a margin."""
