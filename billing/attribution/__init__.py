"""Where use, cost and value belong: questions over stored events, runs as trees, outcomes and what they took."""
