"""Train the network that vision looks into where nothing is downloaded."""

import csv
from dataclasses import asdict
from typing import Annotated

import numpy as np
import safetensors.torch
import torch
from cyclopts import Parameter
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from recap.core.checks import require_seed
from recap.core.devices import keep_freed_memory, use_threads
from recap.core.files import atomic_path
from recap.core.json_files import write_json
from recap.core.outputs import OutputFolder
from recap.core.progress import progress
from recap.datasets.shapes.pictures import paint
from recap.datasets.shapes.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene
from recap.vision.pictures import save_picture
from recap.vision.scene_network import (
    CONFIG,
    NETWORK,
    SCENE_PREPROCESSING,
    SceneNetwork,
)
from recap.vision.scenes import SCENE_CLASSES, classes_shown, draw_scenes, write_scenes
from recap.vision.settings import SceneClassifier

AT_ONCE = 100  # pictures that are scored together
RISE = 0.25  # share of the steps in which the learning rate rises
LONGEST_GRADIENT = 5.0


def train_scene_classifier(
    *,
    output: OutputFolder,
    settings: Annotated[SceneClassifier | None, Parameter(name="*")] = None,
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """Draw scenes, and train a small network to tell which coloured shapes each shows.

    Writes `network.safetensors` and `config.json`, which `--network` of the other commands takes;
    `history.csv` (epoch, loss in nats a scene, learning rate); `scores.json`; `scenes.npz`, scenes
    that were not trained on, with their classes and masks; `examples.npz`, the first few of them
    with two objects; and `grounds/`, pictures of what scenes lie on, which serve as styles.

    In `scores.json`, a scene is `right` if exactly its classes have scores above 0, and
    `shapes_and_colours_right` if the shapes and the colours of those classes are the scene's.
    Both are shares of the `held_out` scenes.

    Parameters
    ----------
    output : Path
        Folder to write into.
    settings : SceneClassifier, optional
        How to draw and train.
    seed : int
        Seed of everything; the same seed and number of threads give the same bytes.
    threads : int, optional
        Threads to use; as many as the machine has by default.

    Raises
    ------
    InputError
        If an option is out of range.
    """
    settings = settings or SceneClassifier()
    require_seed(seed)
    truths, pictures = draw_scenes(seed, 0, settings.scenes, threads)
    held_out, held_out_pictures = draw_scenes(seed, 1, settings.held_out, threads)
    use_threads(threads)
    keep_freed_memory()
    network, history = _train(pictures, classes_shown(truths), settings, seed)
    right = _measure(network, held_out_pictures, classes_shown(held_out))

    pairs = [number for number, scene in enumerate(held_out) if len(scene.objects) == 2]
    for name, kept in (
        ("scenes.npz", range(len(held_out))[: settings.kept]),
        ("examples.npz", pairs[: settings.examples] or [0]),
    ):
        scenes = [held_out[number] for number in kept]
        write_scenes(output / name, scenes, held_out_pictures[list(kept)])
    for number, ground in enumerate(BACKGROUNDS):
        picture = paint(Scene(ground, ()), np.random.default_rng([seed, 2, number]))
        save_picture(output / "grounds" / f"{ground}.png", np.asarray(picture))
    with atomic_path(output / "history.csv") as scratch, scratch.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    config = {"classes": SCENE_CLASSES, "settings": asdict(settings), "seed": seed}
    # A network that is replaced must never be half the old one.
    (output / NETWORK).unlink(missing_ok=True)
    write_json(output / CONFIG, config, indent=1)
    with atomic_path(output / NETWORK) as scratch:
        scratch.write_bytes(safetensors.torch.save(network.state_dict()))
    write_json(output / "scores.json", {**config, "summary": right}, indent=1)
    print(f"{right['shapes_and_colours_right']:.1%} of {settings.held_out} scenes are right.")


def _train(
    pictures: np.ndarray, shown: np.ndarray, settings: SceneClassifier, seed: int
) -> tuple[SceneNetwork, list[dict[str, float]]]:
    """Train a network; returns it and the rows of its history."""
    generator = torch.Generator().manual_seed(seed)
    learner = _Learner(generator).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(learner.parameters(), settings.learning_rate)
    batches = -(-len(pictures) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, settings.epochs * batches, pct_start=RISE
    )
    pixels, wanted = torch.from_numpy(pictures), torch.from_numpy(shown).float()
    history = []
    for epoch in progress(range(1, settings.epochs + 1), desc="train", unit="epoch"):
        total = 0.0
        for rows in torch.randperm(len(pixels), generator=generator).split(settings.batch_size):
            scores = learner(_images(_moved(pixels[rows], settings.shift, generator)))
            loss = nn.functional.binary_cross_entropy_with_logits(
                scores, wanted[rows], reduction="sum"
            )
            optimizer.zero_grad()
            (loss / len(rows)).backward()
            nn.utils.clip_grad_norm_(learner.parameters(), LONGEST_GRADIENT)
            rate = schedule.get_last_lr()[0]
            optimizer.step()
            schedule.step()
            total += loss.item()
        history.append({"epoch": epoch, "loss": total / len(pixels), "learning_rate": rate})
    return learner.eval().network(), history


class _Learner(nn.Module):
    """The network as it is trained: normalised, and with what pairs of one shape have in common.

    A class's map is the sum of its shape's and its colour's, so that a red ring is learnt from all
    that is red, and from all rings. Both are linear, and become plain weights in `network`.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        plain = SceneNetwork()
        self.convolutions = plain.features[::2]
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(layer.out_channels) for layer in self.convolutions
        )
        self.parts = nn.Conv2d(plain.classifier[0].in_channels, len(SHAPES) + len(COLOURS), 1)
        self.strongest = plain.classifier[1]
        which = np.indices((len(SHAPES), len(COLOURS))).reshape(2, -1, 1)
        parts = [which[0] == np.arange(len(SHAPES)), which[1] == np.arange(len(COLOURS))]
        self.register_buffer("pairs", torch.tensor(np.hstack(parts)).float())
        for convolution in self.convolutions:
            nn.init.kaiming_normal_(convolution.weight, generator=generator)
            nn.init.zeros_(convolution.bias)
        nn.init.normal_(self.parts.weight, std=0.01, generator=generator)
        # The probability of a class is small at first: few of them are shown in a scene.
        nn.init.constant_(self.parts.bias, -3.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes, (N, classes)."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = norm(convolution(images)).relu_()
        return self.strongest(
            nn.functional.conv2d(self.parts(images), self.pairs[:, :, None, None])
        )

    @torch.no_grad()
    def network(self) -> SceneNetwork:
        """Return the same function as convolutions alone."""
        network = SceneNetwork()
        fused = map(fuse_conv_bn_eval, self.convolutions, self.norms)
        for convolution, found in zip(network.features[::2], fused, strict=True):
            convolution.load_state_dict(found.state_dict())
        classes = network.classifier[0]
        classes.weight.copy_(torch.einsum("kp,pchw->kchw", self.pairs, self.parts.weight))
        classes.bias.copy_(self.pairs @ self.parts.bias)
        return network


def _moved(pixels: torch.Tensor, shift: int, generator: torch.Generator) -> torch.Tensor:
    """Return pictures, each mirrored or not, all shifted by a few pixels, (N, height, width, 3)."""
    mirrored = torch.rand(len(pixels), 1, 1, 1, generator=generator) < 0.5
    down, right = torch.randint(-shift, shift + 1, (2,), generator=generator).tolist()
    return torch.where(mirrored, pixels.flip(2), pixels).roll((down, right), (1, 2))


def _images(pixels: torch.Tensor) -> torch.Tensor:
    return SCENE_PREPROCESSING.preprocess(pixels).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def _measure(network: SceneNetwork, pictures: np.ndarray, shown: np.ndarray) -> dict[str, float]:
    """Return which shares of scenes the network is right about."""
    pieces = torch.from_numpy(pictures).split(AT_ONCE)
    told = torch.cat([network.maps(_images(piece), ["classes"])["classes"] for piece in pieces])
    # By shape and colour, in the order of the classes.
    told, shown = (
        known.reshape(-1, len(SHAPES), len(COLOURS)) for known in (told.numpy() > 0, shown)
    )
    shapes, colours = ((told.any(axis) == shown.any(axis)).all(1) for axis in (2, 1))
    return {
        "held_out": len(pictures),
        "right": float((told == shown).all((1, 2)).mean()),
        "shapes_and_colours_right": float((shapes & colours).mean()),
    }
