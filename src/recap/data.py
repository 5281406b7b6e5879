"""CS231n's loader under the name that its users import; it lies in the stages."""

from recap.captioners.loader import load_coco_data, sample_coco_minibatch
from recap.captions.words import decode_captions

__all__ = ["decode_captions", "load_coco_data", "sample_coco_minibatch"]
