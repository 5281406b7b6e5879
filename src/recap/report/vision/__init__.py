"""The page that shows what a network sees."""
