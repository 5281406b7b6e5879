"""What the pages of all studies share, and a package a page."""
