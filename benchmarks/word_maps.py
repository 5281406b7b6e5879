"""Hold kinds of maps of words against the objects that the words name, on drawn scenes.

    python benchmarks/word_maps.py STUDY IMAGES SCENES [--model lstm] [--weights FILE] [--photos 60]

STUDY is a study of `shapes` whose captioners have captioned, such as results/shapes; IMAGES and
SCENES are val2014.zip and annotations_trainval2014.zip of its scenes, in resources/shapes. Words of
a shape or a colour that one object alone has are looked at: how often a map is highest on that
object, and how much of the map lies there; of all words, and of those in photos of two objects,
where a map has to choose.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from recap.captioners.folder import load_captioner
from recap.core.devices import use_threads
from recap.core.errors import InputError
from recap.core.images import ImageStore
from recap.core.progress import progress
from recap.datasets.shapes.draw import read_scenes
from recap.datasets.shapes.named_objects import named_objects
from recap.evaluation.explain import enlarge, mask_in_cells
from recap.evaluation.origin import read_origin
from recap.evaluation.word_maps import SIDE, Explainer, in_cells
from recap.features.pca import read_pca
from recap.vision.pointing import baseline_maps, pointing

NOISE = 0.15  # of SmoothGrad, as a share of the image's range


def kinds_of_maps(
    explainer: Explainer, pixels: np.ndarray, words: list[str], place: int, samples: int
) -> dict[str, np.ndarray]:
    """Return a map of each kind of one word."""
    image = explainer.image(pixels)
    from_mean = image - image.mean((2, 3), keepdim=True)
    slope = _slope(explainer, image, words, place)
    generator = torch.Generator().manual_seed(0)
    smooth = torch.zeros_like(image)
    for _ in range(samples):
        noise = torch.randn(image.shape, generator=generator)
        noisy = image + NOISE * (image.max() - image.min()) * noise
        smooth += _slope(explainer, noisy, words, place) / samples
    found = {
        "gradient, largest channel": in_cells(slope.abs().amax(1)),
        "gradient x input": in_cells((slope * image).sum(1)),
        "gradient x (input - mean colour)": in_cells((slope * from_mean).sum(1)),
    }
    if samples:
        found[f"SmoothGrad of {samples}, largest channel"] = in_cells(smooth.abs().amax(1))
        found[f"SmoothGrad of {samples} x (input - mean colour)"] = in_cells(
            (smooth * from_mean).sum(1)
        )
    maps = {name: map_[0].numpy() for name, map_ in found.items()}
    with torch.no_grad():
        _, attention = explainer.say(image, words[: place + 1])
    if attention is not None:
        maps["attention"] = enlarge(attention[place].numpy())
    maps["contrast: input - mean colour"] = in_cells(from_mean.abs().sum(1))[0].numpy()
    return maps | {"centre": baseline_maps(SIDE, SIDE, 0)["centre"]}


def _slope(explainer: Explainer, image: torch.Tensor, words: list[str], place: int) -> torch.Tensor:
    image = image.detach().requires_grad_()
    log_probabilities, _ = explainer.say(image, words[: place + 1])
    return torch.autograd.grad(log_probabilities[place], image)[0]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--weights", default="")
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--samples", type=int, default=0, help="noisy copies of SmoothGrad")
    options = parser.parse_args()
    use_threads(None)
    study = options.study
    pca = study / "features/pca.h5"
    origin = read_origin(pca, options.weights)
    captioner = load_captioner(study / f"models/{options.model}/seed0")
    explainer = Explainer(origin, read_pca(pca), captioner, torch.device("cpu"))
    cut = origin.backbone.preprocessing.cut
    words_file = study / f"captions/{options.model}/seed0/greedy.words.json"
    scenes = read_scenes(options.scenes, "val")
    scores: dict[str, list[tuple[float, float]]] = {}
    pairs = []
    with ImageStore(options.images) as store:
        for entry in progress(json.loads(words_file.read_text())[: options.photos], unit="photo"):
            scene, words = scenes[entry["image_id"]], entry["words"]
            pixels = cut(store.read(f"COCO_val2014_{entry['image_id']:012}.jpg"))
            for place, thing in named_objects(words, scene).items():
                mask = mask_in_cells(thing, cut)
                maps = kinds_of_maps(explainer, pixels, words, place, options.samples)
                for name, map_ in maps.items():
                    share = float(map_[mask].sum() / (map_.sum() or 1))
                    scores.setdefault(name, []).append((pointing(map_, mask), share))
                scores.setdefault("random", []).append((float(mask.mean()),) * 2)
                pairs.append(len(scene.objects) == 2)
    print(
        f"| {len(pairs)} words, {sum(pairs)} in pairs | highest on it | share | highest, pairs |"
        " share, pairs |"
    )
    print("|---|---|---|---|---|")
    for name, values in scores.items():
        of_all = np.mean(values, axis=0)
        of_pairs = np.mean(np.array(values)[pairs], axis=0)
        print(f"| {name} |", " | ".join(f"{value:.2f}" for value in [*of_all, *of_pairs]), "|")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
