"""Show which pixels of a photo the score of a class depends on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import matplotlib
import numpy as np
import torch
from cyclopts import Parameter

from recap.core.checks import require_seed
from recap.core.devices import Device, choose_device, use_threads
from recap.core.json_files import write_json
from recap.core.outputs import OutputPictures, is_picture
from recap.core.progress import progress
from recap.vision.networks import Classifier, load_network
from recap.vision.photos import CutPhoto, cut_photos
from recap.vision.pictures import (
    label_pictures,
    require_one,
    save_arrays,
    save_picture,
)
from recap.vision.pointing import baseline_maps, pointing
from recap.vision.saliency_checks import (
    erasure_areas,
    overlap,
    randomization_check,
)
from recap.vision.saliency_maps import saliency_maps
from recap.vision.settings import Saliency

# Share of a map's pixels that are not the brightest: a few are far above the rest.
SHOWN = 0.99


@dataclass(frozen=True)
class _Case:
    """A photo and a class that is looked for in it, with the network's image of it."""

    name: str
    photo: CutPhoto
    target: int
    image: torch.Tensor

    def maps(self, classifier: Classifier, settings: Saliency, seed: int) -> dict[str, np.ndarray]:
        """Return the maps of all methods, (height, width)."""
        target = torch.tensor([self.target], device=self.image.device)
        found = saliency_maps(classifier, self.image, target, settings, seed)
        return {method: maps[0].cpu().numpy() for method, maps in found.items()}


def show_saliency(
    *photos: Path,
    output: OutputPictures,
    target: str = "",
    network: str = "squeezenet1_1",
    weights: str = "imagenet",
    settings: Annotated[Saliency | None, Parameter(name="*")] = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Show which pixels of photos the score of a class depends on, by four methods.

    Of each photo every class that it is known to show is looked for; without such knowledge, the
    class with the highest score. In a folder, maps are also measured, beside the baselines
    `random` and `centre` (a Gaussian about the centre), which know nothing of the photo:

    - `PHOTO.png` is what the network saw, `PHOTO-METHOD.png` a map, white where it is highest;
    - `maps.npz` holds the maps, float32: `names` (N,), and by method (N, height, width);
    - `scores.json` has `network`, `settings`, `seed`; `images`, each with `name`,
      `photo`, `target`, `probability`, `pictures`, `completeness` (what integrated gradients
      attribute, the `difference` of scores that it should be, and `delta` between them),
      `insertion` and `deletion` by method, and `pointing` and `overlap` where the photo has true
      masks; `summary`, the means of these; and `randomization`, how like the maps are to those of
      a network whose `layers` are shuffled one after another, by method.

    Parameters
    ----------
    photos : Path
        Picture files, folders of them, or `.npz` archives with labels and true masks.
    output : Path
        Picture to write, of one photo; or folder to write to.
    target : str
        Class to look for, by name or number.
    network : str
        `squeezenet1_1`, `squeezenet1_0` or `vgg16`.
    weights : str
        `imagenet`, `random`, or a file.
    settings : Saliency, optional
        Samples and steps of the methods.
    seed : int
        Of SmoothGrad's noise, the random baseline and the shuffled weights.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a photo cannot be read, there is no such class, network or file of weights, or a number
        is out of range.
    """
    settings = settings or Saliency()
    require_seed(seed)
    use_threads(threads)
    classifier = load_network(network, weights, choose_device(device))
    cut = cut_photos(photos, classifier)
    require_one(output, len(cut))
    cases = _cases(cut, classifier, target)
    for case in cases:
        print(f"{case.photo.name}: what counts for {classifier.class_names[case.target]}")
    if is_picture(output):
        rows = []
        for case in cases:
            maps = case.maps(classifier, settings, seed)
            heats = {method: _heat(saliency) for method, saliency in maps.items()}
            shown = {classifier.class_names[case.target].split(",")[0]: case.photo.pixels}
            rows.append(label_pictures(shown | heats))
        save_picture(output, np.concatenate(rows))
        return
    entries, all_maps = [], []
    for case in progress(cases, desc="saliency", unit="map"):
        maps = case.maps(classifier, settings, seed)
        pictures = {"photo": f"{case.photo.name}.png"}
        save_picture(output / pictures["photo"], case.photo.pixels)
        for method, saliency in maps.items():
            pictures[method] = f"{case.name}-{method}.png"
            save_picture(output / pictures[method], _heat(saliency))
        entry = {"name": case.name, "photo": case.photo.name, "pictures": pictures}
        entries.append(entry | _measure(classifier, case, maps, settings, seed))
        all_maps.append(maps)
    save_arrays(
        output / "maps.npz",
        names=np.array([case.name for case in cases]),
        **{method: np.stack([maps[method] for maps in all_maps]) for method in all_maps[0]},
    )
    checked = cases[: settings.checked]
    randomization = checked and randomization_check(
        classifier,
        torch.cat([case.image for case in checked]),
        torch.tensor([case.target for case in checked], device=classifier.device),
        settings,
        seed,
    )
    scores = {
        "network": classifier.attributes,
        "settings": asdict(settings),
        "seed": seed,
        "summary": _summarize(entries),
        "randomization": randomization or None,
        "images": entries,
    }
    write_json(output / "scores.json", scores, indent=1, allow_nan=False)


def _cases(photos: Sequence[CutPhoto], classifier: Classifier, target: str) -> list[_Case]:
    """Return the photos with what is looked for in each."""
    cases = []
    for photo in photos:
        image = classifier.images(photo.pixels[None])
        numbers: Sequence[int] = [classifier.find_class(target)] if target else photo.labels
        if not numbers:
            with torch.no_grad():
                numbers = [int(classifier.scores(image).argmax())]
        for number in numbers:
            label = classifier.file_name(number)
            name = photo.name if len(numbers) == 1 else f"{photo.name}-{label}"
            cases.append(_Case(name, photo, number, image))
    return cases


def _measure(
    classifier: Classifier,
    case: _Case,
    maps: dict[str, np.ndarray],
    settings: Saliency,
    seed: int,
) -> dict[str, Any]:
    """Return what the scores file tells of a case."""
    with torch.no_grad():
        scores = classifier.scores(torch.cat([case.image, torch.zeros_like(case.image)]))
    attributed = float(maps["integrated_gradients"].sum(dtype=np.float64))
    difference = float(scores[0, case.target] - scores[1, case.target])
    baselines = baseline_maps(*case.photo.pixels.shape[:2], seed)
    absolute = {method: np.abs(saliency) for method, saliency in (maps | baselines).items()}
    areas = {
        method: erasure_areas(classifier, case.image[0], case.target, saliency, settings.erasures)
        for method, saliency in absolute.items()
    }
    measured = {
        "target": classifier.class_names[case.target],
        "probability": float(classifier.probabilities(scores)[0, case.target]),
        "completeness": {
            "attributed": attributed,
            "difference": difference,
            "delta": abs(attributed - difference),
        },
        "insertion": {method: inserted for method, (inserted, _) in areas.items()},
        "deletion": {method: deleted for method, (_, deleted) in areas.items()},
    }
    if case.photo.masks is not None:
        mask = case.photo.masks[case.target]
        measured["pointing"] = {m: pointing(saliency, mask) for m, saliency in absolute.items()}
        # How often a random pixel hits, rather than whether this one does.
        measured["pointing"]["random"] = float(mask.mean())
        measured["overlap"] = {m: overlap(saliency, mask) for m, saliency in absolute.items()}
    return measured


def _summarize(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over all cases that have a measure, by measure and method."""
    summary = {}
    for measure in ("completeness", "insertion", "deletion", "pointing", "overlap"):
        found = [entry[measure] for entry in entries if measure in entry]
        if found:
            summary[measure] = {key: fmean(each[key] for each in found) for key in found[0]}
    return summary


def _heat(saliency: np.ndarray) -> np.ndarray:
    """Return a map as a picture, from black over red and yellow to white, (height, width, 3)."""
    brightness = np.abs(saliency)
    brightest = np.quantile(brightness, SHOWN)
    shown = np.clip(brightness / (brightest or 1), 0, 1)
    return matplotlib.colormaps["hot"](shown, bytes=True)[..., :3]
