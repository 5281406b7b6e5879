"""A network that gives the maps of its layers by name."""

from collections.abc import Iterable

import torch
from torch import nn


class Network(nn.Module):
    """Modules one after another; what some of them give has a name.

    Parameters
    ----------
    features, classifier : list of torch.nn.Module
        The modules, under torchvision's two names.
    ends : dict of str to int
        By the name of a map, how many modules make it.
    names : iterable of str
        Maps that will be asked for: what follows the last of them is left out. All by default.
    """

    def __init__(
        self,
        features: list[nn.Module],
        classifier: list[nn.Module],
        ends: dict[str, int],
        names: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(*classifier)
        self.ends = ends
        self.keep(list(names) or ends)

    def keep(self, names: Iterable[str]) -> None:
        """Drop what follows the last of some maps.

        Parameters
        ----------
        names : iterable of str
            Maps that will be asked for.
        """
        last = max(self.ends[name] for name in names)
        self.classifier = self.classifier[: max(0, last - len(self.features))]
        self.features = self.features[:last]

    def maps(self, images: torch.Tensor, names: Iterable[str]) -> dict[str, torch.Tensor]:
        """Compute maps, and nothing that follows the last of them.

        Gradients flow back to the images.

        Parameters
        ----------
        images : tensor of shape (N, 3, height, width)
            Preprocessed.
        names : iterable of str
            Of `recap.backbones.maps.MAPS`.

        Returns
        -------
        dict of str to tensor
            Each of shape (N, channels, height, width); (N, channels) for a linear layer.
        """
        wanted = {self.ends[name]: name for name in names}
        found = {}
        for number, module in enumerate([*self.features, *self.classifier][: max(wanted)], 1):
            images = module(images)
            if number in wanted:
                found[wanted[number]] = images
        return found
