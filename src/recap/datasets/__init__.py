"""The data sets: where each comes from, how it is laid out, and its splits."""
