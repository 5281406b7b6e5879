"""Paint a photo in the style of paintings."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from PIL import Image

from recap.core.checks import require, require_seed
from recap.core.devices import Device, choose_device, use_threads
from recap.core.json_files import write_json
from recap.core.outputs import OutputFolder, OutputPictures, is_picture
from recap.core.progress import progress
from recap.vision.frames import Frames
from recap.vision.networks import Classifier, load_network
from recap.vision.photos import read_photos
from recap.vision.pictures import require_one, save_arrays, save_picture
from recap.vision.settings import StyleTransfer
from recap.vision.style_objective import StyleObjective, choose_layers, descend, make_objective

LOSSES = ("content", "style", "total_variation")


def transfer_style(
    *photos: Path,
    style: list[Path],
    output: OutputPictures,
    style_shares: list[float] | None = None,
    frames: OutputFolder | None = None,
    network: str = "squeezenet1_1",
    weights: str = "imagenet",
    settings: Annotated[StyleTransfer | None, Parameter(name="*")] = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Paint photos in the style of one or more paintings.

    A photo is changed step by step until a layer's map is the photo's still, and the Gram matrices
    of others are the painting's. In a folder:

    - `PHOTO.png` is the painted photo, `PHOTO-content.png` the photo of its size,
      `style-NAME.png` what was seen of a style;
    - `images.npz` holds the painted images before rounding, as the network sees them: by photo,
      (3, height, width), float32;
    - `scores.json` has `network`, `settings`, `seed`, `styles` (each with `name`,
      `share` and `picture`); `images`, each with `name`, `pictures`, the losses `first`
      and `last`, each with `content`, `style`, `total_variation` and `total`, `rounded`, the
      `total` of the picture of 8 bits, and `totals` before each step; and `summary`, the means of
      the totals `first`, `last` and `rounded`.

    Parameters
    ----------
    photos : Path
        Picture files, folders of them, or `.npz` archives.
    style : list of Path
        The same, of paintings.
    output : Path
        Picture to write, of one photo; or folder to write to.
    style_shares : list of float, optional
        How much of each style is wanted, of several; the same of each by default.
    frames : Path, optional
        Folder for pictures of the steps, and an animation of each photo.
    network : str
        `squeezenet1_1`, `squeezenet1_0` or `vgg16`.
    weights : str
        `imagenet`, `random`, or a file.
    settings : StyleTransfer, optional
        Sizes, layers, weights and steps.
    seed : int
        Of a random start.
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
    settings = settings or StyleTransfer()
    require_seed(seed)
    use_threads(threads)
    painted = list(read_photos(photos))
    require_one(output, len(painted))
    classifier = load_network(network, weights, choose_device(device))
    content_layer, style_layers = choose_layers(classifier, settings)
    classifier.network.keep([content_layer, *style_layers])
    read_styles = list(read_photos(style))
    shares = _require_shares(style_shares, len(read_styles))
    styles = [_see(classifier, each.image, settings.style_size) for each in read_styles]
    entries, images = [], {}
    for photo in painted:
        content = _see(classifier, photo.image, settings.size)
        objective = make_objective(classifier, content, styles, shares, settings)
        image, entry = _paint(objective, content, settings, seed, classifier, photo.name, frames)
        pixels = _to_pixels(classifier, image)
        entry["rounded"] = _losses(objective, classifier.images(pixels[None]))["total"]
        if settings.keep_colors:
            pixels = _recolor(pixels, _to_pixels(classifier, content))
        if is_picture(output):
            save_picture(output, pixels)
            return
        pictures = {"painted": f"{photo.name}.png", "content": f"{photo.name}-content.png"}
        save_picture(output / pictures["painted"], pixels)
        save_picture(output / pictures["content"], _to_pixels(classifier, content))
        entries.append({"name": photo.name, "pictures": pictures} | entry)
        images[photo.name] = image[0].contiguous().cpu().numpy()
    told = []
    for each, share, seen in zip(read_styles, shares, styles, strict=True):
        told.append({"name": each.name, "share": share, "picture": f"style-{each.name}.png"})
        save_picture(output / told[-1]["picture"], _to_pixels(classifier, seen))
    save_arrays(output / "images.npz", **images)
    scores = {
        "network": classifier.attributes,
        "settings": asdict(settings),
        "seed": seed,
        "summary": {
            "first": fmean(entry["first"]["total"] for entry in entries),
            "last": fmean(entry["last"]["total"] for entry in entries),
            "rounded": fmean(entry["rounded"] for entry in entries),
        },
        "styles": told,
        "images": entries,
    }
    write_json(output / "scores.json", scores, indent=1, allow_nan=False)


def _require_shares(shares: Sequence[float] | None, many: int) -> list[float]:
    """Return the share of each style; they sum up to 1."""
    shares = shares or [1.0] * many
    require(len(shares) == many, "style_shares", f"as many as styles, {many}", shares)
    require(all(share > 0 for share in shares), "style_shares", "more than 0", shares)
    return [share / sum(shares) for share in shares]


def _see(classifier: Classifier, image: Image.Image, short: int) -> torch.Tensor:
    """Return what the network sees of a picture whose shorter side is scaled."""
    return classifier.images(np.array(classifier.preprocessing.scale(image, short))[None])


def _to_pixels(classifier: Classifier, image: torch.Tensor) -> np.ndarray:
    """Return an image as pixels of shape (height, width, 3)."""
    return classifier.preprocessing.deprocess(image)[0].cpu().numpy()


def _paint(
    objective: StyleObjective,
    content: torch.Tensor,
    settings: StyleTransfer,
    seed: int,
    classifier: Classifier,
    name: str,
    folder: Path | None,
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Return the painted image of a photo, and what the scores file tells of the way there."""
    start = content
    if settings.start == "random":
        numbers = np.random.default_rng(seed).random(content.shape, dtype=np.float32)
        start = torch.empty_like(content).copy_(torch.from_numpy(numbers))
    with (
        Frames(folder, name, settings.steps, classifier.preprocessing.deprocess) as frames,
        progress(total=settings.steps, desc=f"style of {name}", unit="step") as bar,
    ):

        def tell(image: torch.Tensor) -> None:
            frames.keep(image)
            bar.update()

        image, totals = descend(objective, start, settings, classifier.clamp, tell)
        frames.keep(image, last=True)
    entry = {
        "first": _losses(objective, start),
        "last": _losses(objective, image),
        "totals": totals,
    }
    return image, entry


def _losses(objective: StyleObjective, image: torch.Tensor) -> dict[str, float]:
    """Return the losses of an image by name, and their sum."""
    losses = objective(image)[0].tolist()
    return dict(zip(LOSSES, losses, strict=True)) | {"total": sum(losses)}


def _recolor(pixels: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return the brightness of a picture with the colours of another one."""
    brightness = Image.fromarray(pixels).convert("YCbCr").getchannel(0)
    _, blue, red = Image.fromarray(content).convert("YCbCr").split()
    return np.array(Image.merge("YCbCr", (brightness, blue, red)).convert("RGB"))
