"""The page that compares GANs."""
