"""CS231n's models."""
