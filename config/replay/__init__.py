"""Sending a recorded trace of LLM traffic through the public API, as one customer's use."""
