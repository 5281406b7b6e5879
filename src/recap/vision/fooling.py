"""Make a network take photos for another class, by changes that people hardly see."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, get_args

import numpy as np
import torch
from cyclopts import Parameter

from recap.core.devices import Device, choose_device, use_threads
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.core.outputs import OutputPictures, is_picture
from recap.core.progress import progress
from recap.vision.fooling_steps import Recipe, fool, lead
from recap.vision.networks import Classifier, load_network
from recap.vision.photos import CutPhoto, cut_photos
from recap.vision.pictures import require_one, save_picture
from recap.vision.saliency_maps import BATCH
from recap.vision.settings import Fooling

RECIPES: tuple[Recipe, ...] = get_args(Recipe)

LOSSLESS = (".png", ".webp")


@dataclass(frozen=True)
class _Case:
    """A photo and what the network shall take it for."""

    name: str
    photo: CutPhoto
    before: dict[str, Any]
    target: int


def fool_network(
    *photos: Path,
    output: OutputPictures,
    target: list[str],
    network: str = "squeezenet1_1",
    weights: str = "imagenet",
    settings: Annotated[Fooling | None, Parameter(name="*")] = None,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Make a network take photos for another class, by changes that people hardly see.

    What is written are pixels of 8 bits, and only what the network takes these for counts. In a
    folder, both recipes of `recap.vision.fooling_steps.fool` are tried on each photo and target,
    but for photos that show the target or are taken for it already:

    - `PHOTO.png` is what the network saw; `PHOTO-CLASS-RECIPE.png` what it takes for the class;
      `PHOTO-CLASS-RECIPE-difference.png` how they differ, about gray, magnified by a factor;
    - `scores.json` has `network`, `settings`; `images`, each with `name`, `photo`,
      `labels` (those known), `before` (`class` and `probability`), `target`, `pictures`, and for
      each recipe `after` (as `before`, of the pixels), `steps`, `distance` (L2 of pixels from 0 to
      1), and whether the target's score is the highest: `fooled` before rounding, `kept` after it,
      `absolute` if negative pixels are made positive and not 0; and in `summary` for each recipe
      the number of `cases`, and of those `fooled`, `kept` and `absolute`, `mean_steps`,
      `most_steps` and `mean_distance`.

    Parameters
    ----------
    photos : Path
        Picture files, folders of them, or `.npz` archives with labels.
    output : Path
        Picture to write, of one photo and target, without loss: .png or .webp; or folder to write
        to.
    target : list of str
        Classes that photos shall be taken for, by name or number.
    network : str
        `squeezenet1_1`, `squeezenet1_0` or `vgg16`.
    weights : str
        `imagenet`, `random`, or a file.
    settings : Fooling, optional
        Steps and margin.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a photo cannot be read, there is no such class, network or file of weights, a number is
        out of range, or nothing is left to be done.
    """
    settings = settings or Fooling()
    use_threads(threads)
    if is_picture(output) and output.suffix.lower() not in LOSSLESS:
        raise InputError(f"{output} would lose the small changes: name a file .png or .webp.")
    classifier = load_network(network, weights, choose_device(device))
    cut = cut_photos(photos, classifier)
    require_one(output, len(cut) * len(target))
    targets = list(dict.fromkeys(map(classifier.find_class, target)))
    cases = _cases(cut, classifier, targets)
    if is_picture(output):
        ((pixels, found),) = _fool_all(classifier, cases, settings, "margin")
        save_picture(output, pixels)
        before, after = cases[0].before, found["after"]
        print(
            f"{cases[0].photo.name}: {before['class']} ({before['probability']:.0%}), and after"
            f" {found['steps']} steps {after['class']} ({after['probability']:.0%}); L2 of the"
            f" change {found['distance']:.2f}"
        )
        return
    entries = [_describe(case, classifier, output) for case in cases]
    for recipe in RECIPES:
        found_of_all = _fool_all(classifier, cases, settings, recipe)
        for case, entry, (pixels, found) in zip(cases, entries, found_of_all, strict=True):
            entry[recipe] = found
            difference = pixels.astype(np.float32) - case.photo.pixels
            magnified = (128 + settings.magnified * difference).clip(0, 255).astype(np.uint8)
            for name, picture in ((recipe, pixels), (f"{recipe}-difference", magnified)):
                entry["pictures"][name] = f"{case.name}-{name}.png"
                save_picture(output / entry["pictures"][name], picture)
    scores = {
        "network": classifier.attributes,
        "settings": asdict(settings),
        "summary": {recipe: _summarize([entry[recipe] for entry in entries]) for recipe in RECIPES},
        "images": entries,
    }
    write_json(output / "scores.json", scores, indent=1, allow_nan=False)


def _cases(photos: list[CutPhoto], classifier: Classifier, targets: list[int]) -> list[_Case]:
    """Return each photo with each target that it neither shows nor is taken for."""
    cases = []
    for photo in photos:
        before = _top_class(classifier, classifier.images(photo.pixels[None]))[0]
        for target in targets:
            if target not in photo.labels and classifier.class_names[target] != before["class"]:
                name = f"{photo.name}-{classifier.file_name(target)}"
                cases.append(_Case(name, photo, before, target))
    if not cases:
        raise InputError("The network takes the photos for the target already: name another.")
    return cases


def _top_class(classifier: Classifier, images: torch.Tensor) -> list[dict[str, Any]]:
    """Return which class has the highest score in each image, and its probability."""
    with torch.no_grad():
        scores = classifier.scores(images)
    # Probabilities near 1 are alike once they are rounded.
    best = scores.argmax(1, keepdim=True)
    sure = classifier.probabilities(scores).gather(1, best)
    return [
        {"class": classifier.class_names[number], "probability": probability}
        for number, probability in zip(best[:, 0].tolist(), sure[:, 0].tolist(), strict=True)
    ]


def _fool_all(
    classifier: Classifier, cases: list[_Case], settings: Fooling, recipe: Recipe
) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Yield for each case the pixels of 8 bits, and what came of it."""
    with progress(desc=f"fool by {recipe}", total=len(cases), unit="photo") as bar:
        for start in range(0, len(cases), BATCH):
            part = cases[start : start + BATCH]
            images = classifier.images(np.stack([case.photo.pixels for case in part]))
            targets = torch.tensor([case.target for case in part], device=images.device)
            fooled, steps = fool(classifier, images, targets, settings, recipe)
            preprocessing = classifier.preprocessing
            pixels = preprocessing.deprocess(fooled)
            # As one write-up of the assignment does with what falls below black.
            absolute = preprocessing.unbounded_pixels(fooled).abs().round().clamp(max=255)
            seen = [fooled, preprocessing.preprocess(pixels), preprocessing.preprocess(absolute)]
            with torch.no_grad():
                holds = [(lead(classifier, each, targets)[1] > 0).tolist() for each in seen]
            after = _top_class(classifier, seen[1])
            for row, case in enumerate(part):
                picture = pixels[row].cpu().numpy()
                change = (picture.astype(np.float64) - case.photo.pixels) / 255
                yield (
                    picture,
                    {
                        "after": after[row],
                        "steps": int(steps[row]),
                        "distance": float(np.linalg.norm(change)),
                        "fooled": holds[0][row],
                        "kept": holds[1][row],
                        "absolute": holds[2][row],
                    },
                )
                bar.update()


def _describe(case: _Case, classifier: Classifier, output: Path) -> dict[str, Any]:
    """Write what the network saw, and return what the scores file tells of a case at first."""
    picture = f"{case.photo.name}.png"
    save_picture(output / picture, case.photo.pixels)
    return {
        "name": case.name,
        "photo": case.photo.name,
        "labels": [classifier.class_names[label] for label in case.photo.labels],
        "before": case.before,
        "target": classifier.class_names[case.target],
        "pictures": {"photo": picture},
    }


def _summarize(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how often a recipe succeeded, and what it took."""
    return {
        "cases": len(found),
        **{key: sum(each[key] for each in found) for key in ("fooled", "kept", "absolute")},
        "mean_steps": fmean(each["steps"] for each in found),
        "most_steps": max(each["steps"] for each in found),
        "mean_distance": fmean(each["distance"] for each in found),
    }
