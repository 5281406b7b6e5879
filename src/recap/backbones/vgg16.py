"""VGG-16 (Simonyan and Zisserman, https://arxiv.org/abs/1409.1556, configuration D)."""

from collections.abc import Iterable

from torch import nn

from recap.backbones.conv_relu import ConvReLU
from recap.backbones.maps import MAPS
from recap.backbones.max_pool import MaxPool2x2
from recap.backbones.network import Network


class VGG16(Network):
    """VGG-16; its class scores are `fc8`.

    Maps are taken after the ReLU, unless their name says otherwise. State dict keys are
    torchvision's.

    Parameters
    ----------
    names : iterable of str
        Maps that will be asked for: what follows the last of them is left out. All by default.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        features: list[nn.Module] = []
        ends = {}
        channels_in = 3
        for name, channels in MAPS["vgg16"].items():
            if not name.startswith("conv"):
                break
            if features and name.endswith("_1"):
                features.append(MaxPool2x2())
            # What passes on keeps the keys of the weights at torchvision's.
            features += [ConvReLU(channels_in, channels, 3, padding=1), nn.Identity()]
            channels_in = channels
            ends[name] = len(features)
        features += [MaxPool2x2(), nn.Flatten()]
        # Dropout keeps the keys of the linear layers at torchvision's 0, 3 and 6. A ReLU in place
        # would change the map before it.
        classifier = [
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 1000),
        ]
        linear = {"fc6_before_relu": 1, "fc6": 2, "fc7_before_relu": 4, "fc7": 5, "fc8": 7}
        ends |= {name: len(features) + end for name, end in linear.items()}
        super().__init__(features, classifier, ends, names)
