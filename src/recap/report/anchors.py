"""Published scores to hold one's own against."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """What a publication reports.

    Attributes
    ----------
    system : str
        What was scored.
    source : str
        Where it is reported.
    dataset : str
        Data set, as the configuration names it.
    split : str
        On which images.
    scores : dict of str to float
        As fractions, by metric.
    """

    system: str
    source: str
    dataset: str
    split: str
    scores: dict[str, float]


ANCHORS = (
    Anchor(
        "Neural Image Caption, VGG features, greedy",
        "Nervana's model zoo for neon, image captioning on Flickr8k, 2015",
        "flickr8k",
        "Flickr8k, 1,000 test photos",
        {"BLEU-1": 0.542, "BLEU-2": 0.326, "BLEU-3": 0.193, "BLEU-4": 0.123},
    ),
    Anchor(
        "FC model, ResNet-101 features, beam search of width 5",
        "self-critical.pytorch, model zoo",
        "coco2014",
        "COCO, Karpathy's 5,000 test photos",
        {"CIDEr-D": 0.953},
    ),
    Anchor(
        "the same after self-critical training",
        "self-critical.pytorch, model zoo",
        "coco2014",
        "COCO, Karpathy's 5,000 test photos",
        {"CIDEr-D": 1.045},
    ),
)


def same_images(anchor: Anchor, settings: dict, images: int) -> bool:
    """Return whether an anchor was scored on the images of a study, as far as can be known.

    Flickr8k has official splits. Of COCO, recap scores all of val2014, and the literature a part
    of it.

    Parameters
    ----------
    anchor : Anchor
        What a publication reports.
    settings : dict
        What the study was configured with.
    images : int
        How many images were scored.
    """
    return anchor.dataset == settings.get("dataset") == "flickr8k" and images == 1000
