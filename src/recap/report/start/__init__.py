"""The page that links the reports of several studies."""
