"""Train a captioner."""
