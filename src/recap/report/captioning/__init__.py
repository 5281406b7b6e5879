"""The page that compares a study's captioners: its verdict, scores, reasons and gallery."""
