"""A company to look around in: Larkspur AI, its customers, and ninety days of their use."""

COMPANY = "Larkspur AI"
