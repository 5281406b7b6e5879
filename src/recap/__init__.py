"""recap: REproducible image CAPtioning, from raw COCO to a comparison report."""

__version__ = "0.1.0"
