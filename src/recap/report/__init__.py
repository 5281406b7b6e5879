"""The comparison of a study's captioners: one page, one table, one figure, one summary."""
