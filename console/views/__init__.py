"""The console's pages. A view reads once, or acts once, and answers."""
