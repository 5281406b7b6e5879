"""DeepDream: photos with more of what a layer sees in them."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from torch.nn.functional import interpolate

from recap.core.checks import require, require_seed
from recap.core.devices import Device, choose_device, use_threads
from recap.core.json_files import write_json
from recap.core.outputs import OutputFolder, OutputPictures, is_picture
from recap.core.progress import progress
from recap.vision.frames import Frames
from recap.vision.networks import Classifier, load_network
from recap.vision.photos import read_photos
from recap.vision.pictures import require_one, save_arrays, save_picture
from recap.vision.settings import Dream


def dream_images(
    *photos: Path,
    output: OutputPictures,
    frames: OutputFolder | None = None,
    network: str = "squeezenet1_1",
    weights: str = "imagenet",
    settings: Annotated[Dream | None, Parameter(name="*")] = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Give photos more of what a layer, or a channel of it, sees in them (DeepDream).

    The activation is the mean square of the map. In a folder:

    - `PHOTO.png` is the dream, `PHOTO-photo.png` the photo of its size;
    - `images.npz` holds the dreams before rounding, as the network sees them: by photo,
      (3, height, width), float32;
    - `scores.json` has `network`, `settings`, `seed`; `images`, each with `name`,
      `pictures`, and the activation `before` and `after`, of the picture of 8 bits; and `summary`,
      the means of these.

    Parameters
    ----------
    photos : Path
        Picture files, folders of them, or `.npz` archives.
    output : Path
        Picture to write, of one photo; or folder to write to.
    frames : Path, optional
        Folder for pictures of the steps, and an animation of each photo.
    network : str
        `squeezenet1_1`, `squeezenet1_0` or `vgg16`; or the folder of a trained scene classifier.
    weights : str
        `imagenet`, `random`, or a file.
    settings : Dream, optional
        Layer, size and steps.
    seed : int
        Of the shifts.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a photo cannot be read, there is no such network, layer, channel or file of weights, or
        a number is out of range.
    """
    settings = settings or Dream()
    require_seed(seed)
    use_threads(threads)
    dreamed = list(read_photos(photos))
    require_one(output, len(dreamed))
    classifier = load_network(network, weights, choose_device(device))
    preprocessing = classifier.preprocessing
    ascend = _make_ascent(classifier, settings)
    entries, images = [], {}
    for photo in dreamed:
        seen = np.array(preprocessing.scale(photo.image, settings.size))
        start = classifier.images(seen[None])
        before, _ = ascend(start)
        image = _dream_with_frames(classifier, start, settings, seed, photo.name, frames)
        pixels = preprocessing.deprocess(image)[0].cpu().numpy()
        if is_picture(output):
            save_picture(output, pixels)
            return
        pictures = {"dream": f"{photo.name}.png", "photo": f"{photo.name}-photo.png"}
        save_picture(output / pictures["dream"], pixels)
        save_picture(output / pictures["photo"], seen)
        entries.append(
            {
                "name": photo.name,
                "pictures": pictures,
                "before": before,
                "after": ascend(classifier.images(pixels[None]))[0],
            }
        )
        images[photo.name] = image[0].contiguous().cpu().numpy()
    save_arrays(output / "images.npz", **images)
    scores = {
        "network": classifier.attributes,
        "settings": asdict(settings),
        "seed": seed,
        "summary": {name: fmean(entry[name] for entry in entries) for name in ("before", "after")},
        "images": entries,
    }
    write_json(output / "scores.json", scores, indent=1, allow_nan=False)


def dream(
    classifier: Classifier,
    image: torch.Tensor,
    settings: Dream,
    seed: int,
    each: Callable[[torch.Tensor], None],
) -> torch.Tensor:
    """Change an image, from small to large, so that a layer's activation grows.

    Parameters
    ----------
    classifier : Classifier
        Network.
    image : tensor of shape (1, 3, height, width)
        Preprocessed. It stays as it is.
    settings : Dream
        Layer, octaves and steps.
    seed : int
        Of the shifts.
    each : callable
        Called with the image, as large as its octave, before each step.

    Returns
    -------
    tensor of shape (1, 3, height, width)
    """
    ascend = _make_ascent(classifier, settings)
    generator = np.random.default_rng(seed)
    details = torch.zeros_like(image)
    for octave in reversed(range(settings.octaves)):
        scale = settings.octave_scale**octave
        size = [round(side / scale) for side in image.shape[2:]]
        plain = image
        if octave:
            plain = interpolate(image, size, mode="bilinear", antialias=True)
        # What smaller octaves have added is carried over; the photo's own detail comes anew.
        dreamed = plain + interpolate(details, size, mode="bilinear")
        for _ in range(settings.steps):
            each(dreamed)
            shift = generator.integers(-settings.jitter, settings.jitter + 1, 2).tolist()
            _, gradient = ascend(dreamed.roll(shift, (2, 3)))
            gradient = gradient.roll([-way for way in shift], (2, 3))
            mean = gradient.abs().mean().clamp(min=torch.finfo(gradient.dtype).tiny)
            dreamed = classifier.clamp(dreamed + gradient * (settings.learning_rate / mean))
        details = dreamed - plain
    return dreamed


def _dream_with_frames(
    classifier: Classifier,
    start: torch.Tensor,
    settings: Dream,
    seed: int,
    name: str,
    folder: Path | None,
) -> torch.Tensor:
    """Dream with a progress bar, and keep the steps if there is a folder for them."""
    steps = settings.octaves * settings.steps
    with (
        Frames(folder, name, steps, classifier.preprocessing.deprocess) as frames,
        progress(total=steps, desc=f"dream of {name}", unit="step") as bar,
    ):

        def tell(image: torch.Tensor) -> None:
            frames.keep(interpolate(image, start.shape[2:]))
            bar.update()

        image = dream(classifier, start, settings, seed, tell)
        frames.keep(image, last=True)
    return image


def _make_ascent(
    classifier: Classifier, settings: Dream
) -> Callable[[torch.Tensor], tuple[float, torch.Tensor]]:
    """Return what gives the activation of an image, and the gradient of half its sum of squares."""
    layer = settings.layer or classifier.last_feature_layer
    classifier.require_layer(layer, classifier.feature_layers)

    def ascend(image: torch.Tensor) -> tuple[float, torch.Tensor]:
        image = image.detach().requires_grad_()
        features = classifier.network.maps(image, [layer])[layer]
        channels = features.shape[1]
        require(settings.channel < channels, "channel", f"less than {channels}", settings.channel)
        if settings.channel >= 0:
            features = features[:, settings.channel]
        # The gradient of half a sum of squares is what is summed.
        (gradient,) = torch.autograd.grad(features, image, features.detach())
        return float(features.detach().square().mean()), gradient

    return ascend
