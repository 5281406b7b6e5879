"""The networks that turn photos into features."""
