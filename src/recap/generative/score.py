"""Measure how good the pictures of a trained GAN are, and how many kinds of them it makes."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from recap.core.arrays import read_arrays
from recap.core.checks import require
from recap.core.devices import use_threads
from recap.core.files import atomic_path, check_different
from recap.core.json_files import write_json
from recap.core.outputs import OutputFile
from recap.datasets.digits.files import CLASSES
from recap.datasets.digits.idx import read_images
from recap.generative.classifier import judge, load_classifier, require_enough
from recap.generative.folder import load_generator
from recap.generative.metrics import frechet_distance, nearest, precision_and_recall
from recap.generative.train import SAMPLES
from recap.generative.trainer import draw_samples, sampling_noise, uniform_noise

COVERED = 0.01  # share of the samples that a class needs to count as made
COLLAPSED = 0.9  # share of one class from which a GAN makes nothing else
COPIED = 0.01  # of the test pictures, so many are nearest to a training picture
NEIGHBOUR_SAMPLES = 1_000
SHOWN = 100
STEPS_BETWEEN = 9
ROWS_SHOWN = 6


def score_gan(
    folder: Path,
    *,
    classifier: Path,
    train_images: Path,
    test_images: Path,
    output: OutputFile,
    pictures: OutputFile,
    samples: int = 10_000,
    threads: int | None = None,
) -> None:
    """Measure a trained GAN against test images.

    Parameters
    ----------
    folder : Path
        From `train_gan`.
    classifier : Path
        Folder from `train_digit_classifier`, the judge.
    train_images : Path
        Gzipped IDX file of the pictures that were trained on.
    test_images : Path
        Gzipped IDX file of the pictures that samples are held against.
    output : Path
        JSON file to make, with `gan` and `floor`: of the GAN's samples, and of training images in
        their place, as many as there are up to that number, the Fréchet distance, precision and
        recall to the test images, each class's share, the classes made, whether one has nine
        tenths (collapsed), and the share of copies: of samples that lie nearer
        to a training picture than all but a hundredth of the test images do. `along` has the
        Fréchet distance of each stage of the training, and `along_floor` that of as many training
        images.
    pictures : Path
        NumPy archive to make, with `samples` (100, 28, 28), `interpolation` (6, 9, 28, 28), rows
        from one noise to another, and `neighbours` (6, 2, 28, 28), samples and the training
        pictures nearest to them; uint8.
    samples : int
        Pictures to draw.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a number is out of range, or a file is missing, damaged or of another kind.
    """
    require(samples >= NEIGHBOUR_SAMPLES, "samples", f"at least {NEIGHBOUR_SAMPLES}", samples)
    check_different(output, pictures)
    use_threads(threads)
    network = load_classifier(classifier)
    generator, recipe, seed = load_generator(folder)
    noise = uniform_noise(samples, recipe.noise_dim, sampling_noise(seed))
    made = draw_samples(generator, noise)
    # What was not learnt from cannot have been copied.
    train = read_images(train_images)[: recipe.pictures or None]
    test = read_images(test_images)
    require_enough(train, train_images)
    require_enough(test, test_images)
    test_features, _ = judge(network, test)
    steps, stages = read_arrays(folder / SAMPLES, "steps", "images").values()
    scores = {
        "samples": samples,
        "floor_images": len(train[:samples]),
        "test_images": len(test),
        "gan": _measure(network, made, test_features) | {"copies": _copies(made, train, test)},
        "floor": _measure(network, train[:samples], test_features),
        "along": [
            {
                "step": int(step),
                "frechet_distance": frechet_distance(judge(network, drawn)[0], test_features),
            }
            for step, drawn in zip(steps, stages, strict=True)
        ],
        "along_floor": frechet_distance(judge(network, train[: stages.shape[1]])[0], test_features),
    }
    _warn(scores["gan"])
    shown = made[:ROWS_SHOWN]
    places, _ = nearest(_numbers(shown), _numbers(train))
    with atomic_path(pictures) as scratch, scratch.open("wb") as file:
        np.savez_compressed(
            file,
            samples=made[:SHOWN],
            interpolation=_interpolate(generator, noise[: 2 * ROWS_SHOWN]),
            neighbours=np.stack([shown, train[places]], axis=1),
        )
    write_json(output, scores, record_digest=True, indent=1)


def _measure(network: nn.Sequential, pictures: np.ndarray, test_features: np.ndarray) -> dict:
    """Return how like the test images pictures are, and of which classes they are."""
    features, classes = judge(network, pictures)
    precision, recall = precision_and_recall(test_features, features)
    shares = np.bincount(classes, minlength=CLASSES) / len(classes)
    return {
        "frechet_distance": frechet_distance(features, test_features),
        "precision": precision,
        "recall": recall,
        "class_shares": shares.tolist(),
        "classes_made": int((shares >= COVERED).sum()),
        "collapsed": bool(shares.max() >= COLLAPSED),
    }


def _copies(made: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Return the share of samples nearer to a training picture than a hundredth of test images."""
    train_numbers = _numbers(train)
    (_, usual), (_, found) = (
        # Of all parts: the first half of MNIST's test pictures is cleaner than the second.
        nearest(_numbers(pictures[:: -(-len(pictures) // NEIGHBOUR_SAMPLES)]), train_numbers)
        for pictures in (test, made)
    )
    return float((found < np.quantile(usual, COPIED)).mean())


def _numbers(pictures: np.ndarray) -> np.ndarray:
    """Return pictures as rows of numbers from 0 to 1."""
    return pictures.reshape(len(pictures), -1).astype(np.float32) / 255


def _interpolate(generator: nn.Module, noise: torch.Tensor) -> np.ndarray:
    """Return rows of pictures that lead from one noise to the next, of each two."""
    start, end = noise[::2, None], noise[1::2, None]
    share = torch.linspace(0, 1, STEPS_BETWEEN)[:, None]
    between = (start + share * (end - start)).flatten(0, 1)
    return draw_samples(generator, between).reshape(len(start), STEPS_BETWEEN, 28, 28)


def _warn(scores: dict) -> None:
    """Say if a GAN makes hardly anything but one class."""
    shares = scores["class_shares"]
    if scores["collapsed"]:
        print(
            f"warning: {max(shares):.0%} of the samples look like the class"
            f" {int(np.argmax(shares))}: the training has collapsed; lower `learning_rate`, or try"
            " another seed"
        )
