"""Captions of any photos, printed or on a page."""
