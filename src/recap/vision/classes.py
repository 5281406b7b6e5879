"""Show what a network holds to be typical of a class."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import torch
from cyclopts import Parameter

from recap.core.checks import require_seed
from recap.core.devices import Device, choose_device, use_threads
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.core.outputs import OutputFolder, OutputPictures, is_picture
from recap.vision.class_steps import visualize_by_frequencies, visualize_by_pixels
from recap.vision.frames import Frames
from recap.vision.networks import Classifier, load_network
from recap.vision.pictures import require_one, save_picture
from recap.vision.settings import ClassVisualization

RECIPES = {"frequencies": visualize_by_frequencies, "pixels": visualize_by_pixels}


def visualize_classes(
    *classes: str,
    output: OutputPictures = Path("classes"),
    network: str = "squeezenet1_1",
    weights: str = "imagenet",
    other: str = "",
    other_weights: str = "imagenet",
    settings: Annotated[ClassVisualization | None, Parameter(name="*")] = None,
    seed: int = 0,
    frames: OutputFolder | None = None,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Find images that a network gives a high score as a class, from noise.

    As one picture, by frequencies (Olah et al., 2017). In a folder, by frequencies and by pixels
    (CS231n's way), of each class:

    - `CLASS-RECIPE.png`, where the recipe is `frequencies` or `pixels`;
    - `scores.json` with `network`, `other`, `settings`, `seed`; `images`, each with
      `name`, `class`, `number`, `pictures`, and for each recipe, of the picture as it is written,
      the `score` and `probability` of the class, with `other_` before them by the other network;
      and `summary`, for each recipe their means.

    Parameters
    ----------
    classes : str
        Classes, by name or number.
    output : Path
        Picture to write, of one class; or folder to write to.
    network : str
        `squeezenet1_1`, `squeezenet1_0` or `vgg16`.
    weights : str
        `imagenet`, `random`, or a file.
    other : str
        Another network with the same classes, which looks at the pictures; none by default.
    other_weights : str
        Its weights, as `weights`.
    settings : ClassVisualization, optional
        Steps, and what is done to the image between them.
    seed : int
        Of the noise, and of the moves between the steps.
    frames : Path, optional
        Folder to write to what the images looked like on the way, with an animation.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If there is no such class, network or file of weights, the other network has other classes,
        or a number is out of range.
    """
    settings = settings or ClassVisualization()
    require_seed(seed)
    use_threads(threads)
    if not classes:
        raise InputError("There is no class to visualize: name one or more, such as tarantula.")
    require_one(output, len(classes), "classes")
    place = choose_device(device)
    classifier = load_network(network, weights, place)
    judges = {"": classifier}
    if other:
        judges["other_"] = load_network(other, other_weights, place)
        if judges["other_"].class_names != classifier.class_names:
            raise InputError(f"{other} has other classes than {network}: name another.")
    numbers = list(dict.fromkeys(map(classifier.find_class, classes)))
    names = list(map(classifier.file_name, numbers))
    recipes = ["frequencies"] if is_picture(output) else list(RECIPES)
    targets = torch.tensor(numbers, device=place)
    entries: list[dict[str, Any]] = [
        {"name": name, "class": classifier.class_names[number], "number": number, "pictures": {}}
        for name, number in zip(names, numbers, strict=True)
    ]
    for recipe in recipes:
        pixels = _visualize(classifier, targets, names, settings, seed, recipe, frames)
        for entry, measured in zip(entries, _measure(judges, pixels, targets), strict=True):
            entry["pictures"][recipe] = f"{entry['name']}-{recipe}.png"
            entry[recipe] = measured
        for entry, picture in zip(entries, pixels.cpu().numpy(), strict=True):
            path = output if is_picture(output) else output / entry["pictures"][recipe]
            save_picture(path, picture)
            print(f"{path}: {entry['class']}, probability {entry[recipe]['probability']:.3f}")
    if is_picture(output):
        return
    scores = {
        "network": classifier.attributes,
        "other": judges["other_"].attributes if other else None,
        "settings": asdict(settings),
        "seed": seed,
        "summary": {
            recipe: {
                key: fmean(entry[recipe][key] for entry in entries) for key in entries[0][recipe]
            }
            for recipe in recipes
        },
        "images": entries,
    }
    write_json(output / "scores.json", scores, indent=1, allow_nan=False)


def _visualize(
    classifier: Classifier,
    targets: torch.Tensor,
    names: list[str],
    settings: ClassVisualization,
    seed: int,
    recipe: str,
    frames: Path | None,
) -> torch.Tensor:
    """Return pictures of the classes, (N, height, width, 3), uint8."""
    steps = settings.steps if recipe == "frequencies" else settings.course_steps
    deprocess = classifier.preprocessing.deprocess
    with ExitStack() as stack:
        kept = [
            stack.enter_context(Frames(frames, f"{name}-{recipe}", steps, deprocess))
            for name in names
        ]

        def keep(images: torch.Tensor, *, last: bool = False) -> None:
            for frame, image in zip(kept, images.split(1), strict=True):
                frame.keep(image, last=last)

        images = RECIPES[recipe](classifier, targets, settings, seed, keep)
        keep(images, last=True)
    return deprocess(images)


def _measure(
    judges: dict[str, Classifier], pixels: torch.Tensor, targets: torch.Tensor
) -> list[dict[str, float]]:
    """Return for each picture the score and the probability that each judge gives its class."""
    found: list[dict[str, float]] = [{} for _ in targets]
    for prefix, judge in judges.items():
        with torch.no_grad():
            scores = judge.scores(judge.preprocessing.preprocess(pixels))
        for name, values in (("score", scores), ("probability", judge.probabilities(scores))):
            chosen = values.gather(1, targets[:, None])[:, 0].tolist()
            for entry, value in zip(found, chosen, strict=True):
                entry[prefix + name] = value
    return found
