"""The arithmetic of prices: from a charge and a period's usage to the lines of an invoice.

Pure: it imports the standard library, ``core.money`` and ``core.periods``; it reads no clock, no
database, no setting. ``docs/pricing.md`` says in prose what it promises.
"""
