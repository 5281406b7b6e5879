"""Time what looks into a network: style transfer, saliency, class visualisation.

plain    the course's loop of style transfer, written plainly in `usual_vision.py`
network  a bare forward and backward pass, channels last: of the layers up to the last that style
         transfer uses, or of the whole network
recap    recap's steps

The contenders take turns; a figure is the median over the rounds of the ratios within a round.
SqueezeNet 1.1 has random weights and the photos are drawn: neither changes what a step takes.

Usage: python benchmarks/vision.py [--quick]
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from PIL import Image
from usual_vision import (
    CONTENT_WEIGHT,
    STYLE_WEIGHTS,
    TV_WEIGHT,
    paint,
    squeezenet_features,
)

from recap.core.devices import use_threads
from recap.vision.class_steps import visualize_by_pixels
from recap.vision.networks import load_network
from recap.vision.saliency_maps import score_gradients
from recap.vision.settings import ClassVisualization, StyleTransfer
from recap.vision.style_objective import choose_layers, descend, make_objective

STYLE = StyleTransfer(
    absolute_weights=True,
    content_weight=CONTENT_WEIGHT,
    style_weights=STYLE_WEIGHTS,
    tv_weight=TV_WEIGHT,
    optimizer="adam",
)

# By the shorter side, steps of style transfer in a round.
STEPS = {192: 30, 512: 6}

CLASSES = 6
CLASS_STEPS = 6


def draw(width: int, height: int, seed: int) -> np.ndarray:
    """Return a picture with soft spots, (1, height, width, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))[None]


def race(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each contender in each round, after one that does not count."""
    seconds = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: taken[1:] for name, taken in seconds.items()}


def tell(what: str, steps: int, seconds: dict[str, list[float]]) -> dict[str, float]:
    """Print milliseconds a step, and return by contender how many times as long it takes."""
    times = {
        name: median(other / own for other, own in zip(taken, seconds["recap"], strict=True))
        for name, taken in seconds.items()
    }
    for name, taken in seconds.items():
        print(f"{what:24}{name:10}{1000 * median(taken) / steps:10.1f} ms{times[name]:8.2f}")
    return times


def main() -> None:
    """Print the table, and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two rounds, for a try")
    rounds = 2 if parser.parse_args().quick else 9
    threads = use_threads(None)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, PyTorch"
        f" {torch.__version__} with {threads} threads; {rounds} rounds"
    )
    print(f"{'':24}{'contender':10}{'a step':>13}{'over recap':>11}")
    classifier = load_network("squeezenet1_1", "random")
    network = classifier.network
    usual = squeezenet_features()
    usual.load_state_dict(network.features.state_dict())
    figures = {}
    last = choose_layers(classifier, STYLE)[1][-1]
    for side, steps in STEPS.items():
        content = classifier.images(draw(side * 4 // 3, side, seed=0))
        style = classifier.images(draw(side * 5 // 4, side, seed=1))
        objective = make_objective(classifier, content, [style], [1], STYLE)
        settings = StyleTransfer(optimizer="adam", steps=steps)

        def passes(image=content, steps=steps) -> None:
            for _ in range(steps):
                image = image.detach().requires_grad_()
                found = network.maps(image, [last])[last]
                torch.autograd.grad(found, image, torch.ones_like(found))

        plain = paint(content.contiguous(), style.contiguous(), usual)
        contenders = {
            "plain": lambda plain=plain, steps=steps: plain(steps),
            "network": passes,
            "recap": lambda objective=objective, content=content, settings=settings: descend(
                objective, content, settings, classifier.clamp, id
            ),
        }
        times = tell(f"style transfer, {side} px", steps, race(contenders, rounds))
        figures |= {
            f"style_{side}_over_plain": round(times["plain"], 3),
            f"style_{side}_over_network": round(times["network"], 3),
        }
    images = classifier.images(np.concatenate([draw(224, 224, seed) for seed in range(CLASSES)]))
    targets = torch.arange(CLASSES)

    def bare_passes(many: int) -> None:
        for _ in range(many):
            seen = images.detach().requires_grad_()
            torch.autograd.grad(classifier.scores(seen).sum(), seen)

    contenders = {
        "network": lambda: bare_passes(1),
        "recap": lambda: score_gradients(classifier, images, targets),
    }
    times = tell(f"saliency, {CLASSES} photos", 1, race(contenders, rounds))
    figures["saliency_over_network"] = round(times["network"], 3)
    settings = ClassVisualization(course_steps=CLASS_STEPS)
    contenders = {
        "network": lambda: bare_passes(CLASS_STEPS),
        "recap": lambda: visualize_by_pixels(classifier, targets, settings, 0, id),
    }
    times = tell(f"{CLASSES} classes", CLASS_STEPS, race(contenders, rounds))
    figures["classes_over_network"] = round(times["network"], 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
