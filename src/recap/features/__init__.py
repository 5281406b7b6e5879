"""From photos to features, a row an image, and their principal components."""
