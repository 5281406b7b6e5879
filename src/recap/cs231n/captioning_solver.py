"""CS231n's solver; it lies in `recap.captioners.numpy`."""

from recap.captioners.numpy import CaptioningSolver

__all__ = ["CaptioningSolver"]
