"""Published scores, to compare one's own with."""

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


FLICKR8K_TEST = "Flickr8k, 1,000 test photos"
COCO_TEST = "COCO, Karpathy's 5,000 test photos"
KATIYAR = "S. Katiyar's show_tell, README"

ANCHORS = (
    Anchor(
        "NIC with GoogLeNet, an ensemble, beam search of width 20",
        "Show and Tell, Vinyals et al., CVPR 2015; as quoted in Show, Attend and Tell, ICML 2015",
        "flickr8k",
        FLICKR8K_TEST,
        {"BLEU-1": 0.63, "BLEU-2": 0.41, "BLEU-3": 0.27},
    ),
    Anchor(
        "the same kind of model with VGG-16, beam search of width 3",
        KATIYAR,
        "flickr8k",
        FLICKR8K_TEST,
        {
            "BLEU-1": 0.608,
            "BLEU-2": 0.424,
            "BLEU-3": 0.290,
            "BLEU-4": 0.198,
            "METEOR": 0.191,
            "ROUGE-L": 0.447,
            "CIDEr-D": 0.478,
            "SPICE": 0.133,
        },
    ),
    Anchor(
        "the same kind of model with VGG features, greedy",
        "image captioning in Nervana's model zoo for neon, 2015",
        "flickr8k",
        FLICKR8K_TEST,
        {"BLEU-1": 0.542, "BLEU-2": 0.326, "BLEU-3": 0.193, "BLEU-4": 0.123},
    ),
    Anchor(
        "NIC with GoogLeNet, an ensemble, beam search of width 20",
        "Show and Tell, Vinyals et al., CVPR 2015, abstract",
        "coco2014",
        "COCO, photos of the authors' choice",
        {"BLEU-4": 0.277},
    ),
    Anchor(
        "the same kind of model with VGG-16, beam search of width 3",
        KATIYAR,
        "coco2014",
        COCO_TEST,
        {
            "BLEU-1": 0.677,
            "BLEU-2": 0.497,
            "BLEU-3": 0.364,
            "BLEU-4": 0.270,
            "METEOR": 0.227,
            "ROUGE-L": 0.498,
            "CIDEr-D": 0.821,
            "SPICE": 0.158,
        },
    ),
    Anchor(
        "FC model with ResNet-101, beam search of width 5",
        "R. Luo's self-critical.pytorch, model zoo",
        "coco2014",
        COCO_TEST,
        {"CIDEr-D": 0.953},
    ),
    Anchor(
        "the same after self-critical training",
        "R. Luo's self-critical.pytorch, model zoo",
        "coco2014",
        COCO_TEST,
        {"CIDEr-D": 1.045},
    ),
)
TEST_SPLITS = {FLICKR8K_TEST: ("flickr8k", None, 1000), COCO_TEST: ("coco2014", "karpathy", 5000)}
"""Data set, whose splits (None for any) and number of photos by the name of a test split."""


def same_images(anchor: Anchor, settings: dict, images: int) -> bool:
    """Return whether an anchor is about a study's images: data set, split and number of images."""
    if anchor.split not in TEST_SPLITS:
        return False
    dataset, splits, size = TEST_SPLITS[anchor.split]
    return (
        settings.get("dataset") == dataset
        and splits in (None, settings.get("split"))
        and images == size
    )
