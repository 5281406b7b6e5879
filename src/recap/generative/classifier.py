"""The judge of GANs: a network that tells digits apart, whose features tell how alike sets are."""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import recap
from recap.core.checks import require, require_seed
from recap.core.devices import Device, choose_device, keep_freed_memory, use_threads
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.core.outputs import OutputFolder
from recap.core.progress import progress
from recap.datasets.digits.files import CLASSES
from recap.datasets.digits.idx import SIDE, read_digits
from recap.generative.weights import CONFIG, load_weights, read_config, save_weights

CLASSIFIER = "classifier.safetensors"
FEATURES = 128  # numbers of the layer before the classes
FEATURE_LAYER = "the 128 numbers after the ReLU of the first linear layer"
BATCH = 128
LEARNING_RATE = 4e-3  # at its highest
AT_ONCE = 1_000
UNSURE = 0.95  # a judge that is right less often judges little


def make_classifier() -> nn.Sequential:
    """Return the network, untrained: pictures of shape (N, 1, 28, 28) to logits of (N, 10)."""
    layers: list[nn.Module] = []
    for channels_in, channels in ((1, 16), (16, 32)):
        layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    side = SIDE // 4
    layers += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten()]
    layers += [nn.Linear(64 * side * side, FEATURES), nn.ReLU(), nn.Linear(FEATURES, CLASSES)]
    return nn.Sequential(*layers)


def train_digit_classifier(
    *,
    train_images: Path,
    train_labels: Path,
    test_images: Path,
    test_labels: Path,
    output: OutputFolder,
    epochs: int = 4,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Train the network that judges GANs, and measure how often it is right.

    Parameters
    ----------
    train_images : Path
        Gzipped IDX file of the pictures to train on.
    train_labels : Path
        Gzipped IDX file of their classes.
    test_images : Path
        Gzipped IDX file of the pictures to test on.
    test_labels : Path
        Gzipped IDX file of their classes.
    output : Path
        Folder to write into: `classifier.safetensors`, and `config.json`, which has `accuracy`, on
        the test images, and names the layer whose numbers are the features.
    epochs : int
        Passes over the training pictures.
    seed : int
        Seed of weights and order.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a number is out of range, or a file is missing, damaged, or has too few pictures.
    """
    require(epochs >= 1, "epochs", "at least 1", epochs)
    require_seed(seed)
    use_threads(threads)
    keep_freed_memory()
    place = choose_device(device)
    train = read_digits(train_images, train_labels)
    test = read_digits(test_images, test_labels)
    require_enough(test.images, test_images)
    torch.use_deterministic_algorithms(True, warn_only=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_classifier()
    network.to(place, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    batches = -(-len(train.images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * batches, cycle_momentum=False
    )
    labels = torch.tensor(train.labels, dtype=torch.int64)
    with progress(desc="train digit classifier", total=epochs * batches, unit="step") as bar:
        for epoch in range(epochs):
            order = np.random.default_rng([seed, epoch]).permutation(len(labels))
            for chosen in np.array_split(order, batches):
                logits = network(_numbers(train.images[chosen]).to(place))
                loss = cross_entropy(logits, labels[chosen].to(place))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
    network.eval()
    _, classes = judge(network, test.images)
    accuracy = float((classes == test.labels).mean())
    print(f"right on {accuracy:.2%} of {len(classes):,} test pictures")
    if accuracy < UNSURE:
        print("warning: a judge that is wrong so often says little of GANs; raise `epochs`")
    config = {
        "accuracy": accuracy,
        "test_pictures": len(classes),
        "features": FEATURE_LAYER,
        "epochs": epochs,
        "seed": seed,
        "versions": {"recap": recap.__version__, "torch": torch.__version__},
    }
    (output / CLASSIFIER).unlink(missing_ok=True)
    write_json(output / CONFIG, config, record_digest=True, indent=1)
    save_weights(output / CLASSIFIER, network)


def require_enough(images: np.ndarray, path: Path) -> None:
    """Refuse so few pictures that their features have no covariance.

    Parameters
    ----------
    images : ndarray of shape (N, 28, 28)
        Of the file.
    path : Path
        The file.

    Raises
    ------
    InputError
        If there are not more of them than features.
    """
    if len(images) <= FEATURES:
        raise InputError(
            f"{path} has {len(images)} pictures, and GANs are measured by {FEATURES} numbers of"
            f" each: give more than {FEATURES}, better thousands."
        )


def load_classifier(folder: Path) -> nn.Sequential:
    """Read the network that `train_digit_classifier` has trained, frozen.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind.
    """
    read_config(folder, ("accuracy", "features"))
    return load_weights(folder / CLASSIFIER, make_classifier())


@torch.inference_mode()
def judge(network: nn.Sequential, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of pictures, and the classes that they look most like.

    Parameters
    ----------
    network : torch.nn.Sequential
        From `load_classifier`.
    images : ndarray of shape (N, 28, 28), uint8
        Pictures.

    Returns
    -------
    features : ndarray of shape (N, 128), float32
    classes : ndarray of shape (N,), int64
    """
    device = next(network.parameters()).device
    features, classes = [], []
    for start in range(0, len(images), AT_ONCE):
        numbers = network[:-1](_numbers(images[start : start + AT_ONCE]).to(device))
        features.append(numbers.cpu().numpy())
        classes.append(network[-1](numbers).argmax(dim=1).cpu().numpy())
    return np.concatenate(features), np.concatenate(classes)


def _numbers(images: np.ndarray) -> torch.Tensor:
    """Return pictures as (N, 1, 28, 28) numbers from -1 to 1."""
    return torch.tensor(images[:, None], dtype=torch.float32) / 127.5 - 1
