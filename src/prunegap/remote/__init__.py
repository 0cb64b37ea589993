"""One way to files elsewhere."""
