"""Captioners: a readable reference in NumPy and the engine in PyTorch."""
