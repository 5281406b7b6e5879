"""Caption images, and score captions."""
