"""What the console's and the portal's pages share: figures in words, charts, tables, CSV. Knows no other room."""
