"""Score captions as COCO does."""
