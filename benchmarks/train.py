"""Time the training of a captioner: the usual PyTorch loops, and recap's.

Each contender takes the same captions once, in batches of 256, and does all that a training loop
does: batches, forward and backward pass, a step of AdamW. They take turns, and the medians of their
captions a second are compared.

    plain            nn.RNN, nn.GRU, nn.LSTM or nn.TransformerDecoder over padded captions, float32
    packed           the same over packed sequences, as captioning tutorials do; of the Transformer,
                     scores of the real words alone
    ... fused        with the fused step of AdamW
    ... bfloat16     and within torch.autocast
    recap            this package, in the number format that it chooses for the processor
    products         the matrix products of recap's training step by step, and nothing else; where a
                     library runs all steps at once it does more, for padding

recap is held against the fastest of the usual loops, the fastest that computes in its number
format, and its own products. Where the processor has no instructions for bfloat16, PyTorch may
refuse it or take many times as long: what fails, or takes over 5 times as long as the plain loop,
is told and left out.

Usage: python benchmarks/train.py [--quick] [--only rnn gru lstm transformer] [--precision NAME]
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy_layers import FEATURES, HIDDEN, N_CAPTIONS, NULL, VOCABULARY, WORD_VECTOR
from numpy_layers import coco_like_captions as captions_of_a_batch
from torch.utils._python_dispatch import TorchDispatchMode
from usual_training import HEADS, LAYERS, usual_captioner, usual_epoch

from recap.captioners.recipe import GATES, Recipe
from recap.core.devices import choose_device, choose_precision, keep_freed_memory
from recap.training.batches import CaptionedImages, draw_batches
from recap.training.trainer import make_trainer

BATCHES = 8
WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", *(f"word{n}" for n in range(VOCABULARY - 4))]
ARCHITECTURES = ("rnn", "gru", "lstm", "transformer")
PRODUCTS = [
    getattr(getattr(torch.ops.aten, product), form)
    for product in ("mm", "addmm", "bmm", "baddbmm")
    for form in ("default", "out")
] + [torch.ops.aten.addmm_.default]
FAR_BEHIND = 5  # times as long as the plain loop
# Of each usual loop: packed, fused, and the format of its products.
USUAL = {
    "plain": (False, False, torch.float32),
    "packed": (True, False, torch.float32),
    "plain fused": (False, True, torch.float32),
    "packed fused": (True, True, torch.float32),
    "plain bfloat16": (False, True, torch.bfloat16),
    "packed bfloat16": (True, True, torch.bfloat16),
}


def made_images(batches: int) -> CaptionedImages:
    """Return captions of COCO's lengths, each of an image of its own."""
    generator = np.random.default_rng(0)
    captions = np.concatenate([captions_of_a_batch(generator) for _ in range(batches)])
    features = generator.standard_normal((len(captions), FEATURES)).astype(np.float32)
    return CaptionedImages(
        features, captions.astype(np.int32), np.arange(len(captions), dtype=np.int32)
    )


def recap_epoch(
    architecture: str,
    images: CaptionedImages,
    device: torch.device,
    precision: torch.dtype,
    by_steps: bool = False,
) -> Callable[[], None]:
    """Return what trains recap's captioner on all captions once, or so that products are seen."""
    recipe = Recipe(
        architecture=architecture,
        wordvec_dim=WORD_VECTOR,
        hidden_dim=HIDDEN,
        layers=LAYERS,
        heads=HEADS,
    )
    trainer = make_trainer(recipe, FEATURES, WORDS, 0, device, precision)
    if by_steps:
        trainer.captioner.runs_at_once = lambda device: False
        trainer._take = trainer._take_step
    generator = np.random.default_rng(0)

    def epoch() -> None:
        for wanted in draw_batches(images, N_CAPTIONS, NULL, generator):
            trainer.step(*images.batch(wanted, NULL), 1e-3)

    return epoch


class Recorder(TorchDispatchMode):
    """Keeps the matrix products that are computed meanwhile, forward and backward."""

    def __init__(self):
        super().__init__()
        self.products = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        """Compute, and keep what is a product."""
        if operation in PRODUCTS:
            self.products.append((operation, args, kwargs or {}))
        return operation(*args, **(kwargs or {}))


def products_of(epoch: Callable[[], None]) -> Callable[[], None]:
    """Return what computes the matrix products of an epoch alone, with the same operands."""
    with Recorder() as recorder:
        epoch()

    @torch.no_grad()
    def multiply() -> None:
        for operation, args, kwargs in recorder.products:
            operation(*args, **kwargs)

    return multiply


def peak_rate(device: torch.device, precision: torch.dtype) -> float:
    """Return the FLOP/s of a large matrix product."""
    size = 2048 if device.type == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device).to(precision) for _ in range(2))
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        (a @ b)[0, 0].item()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def flops(architecture: str, images: CaptionedImages) -> float:
    """Return the operations of a training step on the real targets alone, for all captions.

    Of a Transformer's attention those of its weights are left out, which are few.
    """
    targets = (images.captions[:, 1:] != NULL).sum()
    if architecture == "transformer":
        layer = 6 * WORD_VECTOR**2 + 2 * WORD_VECTOR * HIDDEN
        word = LAYERS * layer + WORD_VECTOR * VOCABULARY
        image = FEATURES * WORD_VECTOR + LAYERS * 2 * WORD_VECTOR**2
    else:
        gates = GATES[architecture] * HIDDEN
        word = WORD_VECTOR * gates + HIDDEN * gates + HIDDEN * VOCABULARY
        image = FEATURES * HIDDEN
    return 3 * 2 * (targets * word + len(images) * image)


def timed(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def race(epochs: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each contender that works and is not far behind the first."""
    seconds, first = {}, {}
    for name, epoch in epochs.items():
        # Not counted: memory is taken, caches fill.
        try:
            first[name] = timed(epoch)
        except RuntimeError as error:
            print(f"left out: {name}: {str(error).splitlines()[0]}", flush=True)
            continue
        times = first[name] / first["plain"]
        if times > FAR_BEHIND:
            print(f"left out: {name} takes {times:.0f} times as long as plain", flush=True)
        else:
            seconds[name] = []
    for _ in range(rounds):
        for name, taken in seconds.items():
            taken.append(timed(epochs[name]))
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 9")
    parser.add_argument("--only", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of recap"
    )
    options = parser.parse_args()
    rounds = 3 if options.quick else 9

    keep_freed_memory()
    device = choose_device("auto")
    precision = choose_precision(device, options.precision)
    images = made_images(BATCHES)
    captions = images.captions
    data = (
        torch.from_numpy(images.features).to(device),
        torch.from_numpy(captions).long().to(device),
    )
    peak = peak_rate(device, precision)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {device.type},"
        f" PyTorch {torch.__version__} with {torch.get_num_threads()} threads; {precision} product"
        f" {peak / 1e9:.0f} GFLOP/s; {len(captions)} captions, {rounds} rounds"
    )
    figures = {}
    for architecture in options.only:
        epochs = {}
        for name, (packed, fused, product) in USUAL.items():
            torch.manual_seed(0)
            captioner = usual_captioner(
                architecture, packed, FEATURES, VOCABULARY, WORD_VECTOR, HIDDEN
            )
            epochs[name] = usual_epoch(captioner.to(device), *data, N_CAPTIONS, fused, product)
        epochs["recap"] = recap_epoch(architecture, images, device, precision)
        by_steps = recap_epoch(architecture, images, device, precision, by_steps=True)
        epochs["products"] = products_of(by_steps)
        seconds = race(epochs, rounds)
        rates = {name: len(captions) / taken for name, taken in seconds.items()}
        best = max(USUAL.keys() & rates, key=rates.get)
        equals = [name for name in USUAL if name in rates and USUAL[name][2] == precision]
        equal = max(equals, key=rates.get, default=None)
        share = flops(architecture, images) / len(captions) * rates["recap"] / peak
        print(f"{'':12}{'contender':18}{'captions/s':>12}{'recap over it':>15}")
        for name, rate in rates.items():
            print(f"{architecture:12}{name:18}{rate:12.0f}{rates['recap'] / rate:15.2f}")
        print(
            f"{architecture}: best: {best}; best in {precision}: {equal}; share of the peak:"
            f" {share:.2f}"
        )
        held_against = {"best": best, "equal": equal, "plain": "plain", "packed": "packed"}
        figures |= {
            f"{architecture}_over_{name}": round(rates["recap"] / rates[other], 3)
            for name, other in held_against.items()
            if other
        }
        figures |= {
            f"{architecture}_share_of_peak": round(float(share), 3),
            f"{architecture}_share_of_products": round(rates["recap"] / rates["products"], 3),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
