"""The edge of the API: who asks, what the bytes say, and how an answer or a refusal is written."""
