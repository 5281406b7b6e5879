"""Find images that have the maps of photos: what a network still knows of them, layer by layer."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter

from recap.core.checks import require_seed
from recap.core.devices import Device, choose_device, use_threads
from recap.core.json_files import write_json
from recap.core.outputs import OutputPictures, is_picture
from recap.core.progress import progress
from recap.vision.lbfgs import descend_lbfgs
from recap.vision.networks import Classifier, load_network
from recap.vision.photos import cut_photos
from recap.vision.pictures import label_pictures, require_one, save_arrays, save_picture
from recap.vision.settings import Inversion
from recap.vision.style_losses import content_loss, tv_loss

# Standard deviation of the noise that an image starts from, in the network's normalised units.
NOISE = 0.1


def invert_features(
    *photos: Path,
    output: OutputPictures,
    network: str = "squeezenet1_1",
    weights: str = "imagenet",
    settings: Annotated[Inversion | None, Parameter(name="*")] = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Find images that have the maps of photos, each layer for itself, starting from noise.

    What a network has lost at a layer is free in such an image (Mahendran and Vedaldi,
    https://arxiv.org/abs/1412.0035). The error of a map is the sum of squared differences from the
    photo's map, as a share of that map's sum of squares. In a folder:

    - `PHOTO.png` is what the network saw, `PHOTO-LAYER.png` an image found;
    - `images.npz` holds the images before rounding, as the network sees them, float32: `names`
      (N,), and by layer (N, 3, height, width);
    - `scores.json` has `network`, `settings`, `seed`; `images`, each with `name`,
      `pictures`, and by layer the errors `first` (of the noise), `last`, and `rounded`, of the
      picture of 8 bits; and `summary`, their means by layer.

    Parameters
    ----------
    photos : Path
        Picture files, folders of them, or `.npz` archives.
    output : Path
        Picture to write, of one photo; or folder to write to.
    network : str
        `squeezenet1_1`, `squeezenet1_0` or `vgg16`; or the folder of a trained scene classifier.
    weights : str
        `imagenet`, `random`, or a file.
    settings : Inversion, optional
        Layers, steps and weights.
    seed : int
        Of the noise.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a photo cannot be read, there is no such network, layer or file of weights, or a number
        is out of range.
    """
    settings = settings or Inversion()
    require_seed(seed)
    use_threads(threads)
    classifier = load_network(network, weights, choose_device(device))
    layers = list(settings.layers) or classifier.feature_layers
    for layer in layers:
        classifier.require_layer(layer, classifier.layers)
    cut = cut_photos(photos, classifier)
    require_one(output, len(cut))
    entries, images = [], {layer: [] for layer in layers}
    with progress(total=len(cut) * len(layers), desc="inversion", unit="map") as bar:
        for photo in cut:
            seen = classifier.images(photo.pixels[None])
            entry = {"name": photo.name, "pictures": {}}
            entry |= {"first": {}, "last": {}, "rounded": {}}
            pictures = {"photo": photo.pixels}
            for layer in layers:
                image, errors = invert(classifier, seen, layer, settings, seed)
                pictures[layer] = classifier.preprocessing.deprocess(image)[0].cpu().numpy()
                images[layer].append(image[0].cpu().numpy())
                for name, error in errors.items():
                    entry[name][layer] = error
                bar.update()
            if is_picture(output):
                save_picture(output, label_pictures(pictures))
                return
            for name, pixels in pictures.items():
                ending = "" if name == "photo" else f"-{name}"
                entry["pictures"][name] = f"{photo.name}{ending}.png"
                save_picture(output / entry["pictures"][name], pixels)
            entries.append(entry)
    names = np.array([photo.name for photo in cut])
    arrays = {layer: np.stack(found) for layer, found in images.items()}
    save_arrays(output / "images.npz", names=names, **arrays)
    scores = {
        "network": classifier.attributes,
        "settings": asdict(settings),
        "seed": seed,
        "summary": {
            name: {layer: fmean(entry[name][layer] for entry in entries) for layer in layers}
            for name in ("first", "last", "rounded")
        },
        "images": entries,
    }
    write_json(output / "scores.json", scores, indent=1, allow_nan=False)


def invert(
    classifier: Classifier, image: torch.Tensor, layer: str, settings: Inversion, seed: int
) -> tuple[torch.Tensor, dict[str, float]]:
    """Find an image that has the map of another one.

    Parameters
    ----------
    classifier : Classifier
        Network.
    image : tensor of shape (1, 3, height, width)
        Preprocessed.
    layer : str
        Whose map.
    settings : Inversion
        Steps and weights.
    seed : int
        Of the noise that it starts from.

    Returns
    -------
    tuple of (tensor of shape (1, 3, height, width), dict of str to float)
        The image, and the map's errors `first`, `last` and `rounded`.
    """
    objective = _make_objective(classifier, image, layer, settings)
    noise = np.random.default_rng(seed).standard_normal(image.shape, dtype=np.float32)
    start = torch.empty_like(image).copy_(torch.from_numpy(NOISE * noise))
    preprocessing = classifier.preprocessing
    found, _ = descend_lbfgs(objective, start, classifier.clamp, settings.steps, lambda image: None)
    rounded = preprocessing.preprocess(preprocessing.deprocess(found))
    images = {"first": start, "last": found, "rounded": rounded}
    return found, {name: float(objective(each)[0][0]) for name, each in images.items()}


def _make_objective(
    classifier: Classifier, photo: torch.Tensor, layer: str, settings: Inversion
) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Return what gives the losses of an image, error, total variation and L2, with gradient."""
    maps = classifier.network.maps
    with torch.no_grad():
        target = maps(photo, [layer])[layer]
    share = 1 / max(float(target.square().sum()), torch.finfo(target.dtype).tiny)
    tv_weight = settings.tv_weight / photo.numel()
    l2_weight = settings.l2_weight / photo.numel()

    def objective(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        image = image.detach().requires_grad_()
        features = maps(image, [layer])[layer]
        error, of_features = content_loss(features.detach(), target, share)
        (gradient,) = torch.autograd.grad(features, image, of_features())
        image = image.detach()
        smoothness, of_smoothness = tv_loss(image, tv_weight)
        losses = torch.stack([error, smoothness, l2_weight * image.square().sum()])
        return losses, gradient + of_smoothness + 2 * l2_weight * image

    return objective
