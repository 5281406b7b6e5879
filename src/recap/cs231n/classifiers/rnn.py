"""CS231n's captioning network; it lies in `recap.captioners.numpy`."""

from recap.captioners.numpy import CaptioningRNN

__all__ = ["CaptioningRNN"]
