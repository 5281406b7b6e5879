"""Time the training of a captioner: the usual PyTorch loops, and recap's.

Each contender takes the same captions once, in batches of 256, and does all that a training loop
does: batches, forward and backward pass, a step of Adam. They take turns, and the medians of their
captions a second are compared.

    plain    nn.LSTM or nn.RNN over padded captions, float32
    packed   the same over packed sequences, as captioning tutorials do
    recap    this package, in the number format that it chooses for the processor

Usage: python benchmarks/train.py [--quick]
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
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from recap.captioned_images import CaptionedImages, draw_batches
from recap.captioners.trainers import make_trainer
from recap.devices import choose_device, choose_precision, keep_freed_memory
from recap.recipe import Recipe

BATCHES = 8
WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", *(f"word{n}" for n in range(VOCABULARY - 4))]
NETWORKS = {"rnn": nn.RNN, "lstm": nn.LSTM}
GATES = {"rnn": 1, "lstm": 4}


class UsualCaptioner(nn.Module):
    """A captioner of PyTorch's own layers, over padded or packed captions."""

    def __init__(self, cell: str, packed: bool):
        super().__init__()
        self.packed = packed
        self.projection = nn.Linear(FEATURES, HIDDEN)
        self.embedding = nn.Embedding(VOCABULARY, WORD_VECTOR)
        self.network = NETWORKS[cell](WORD_VECTOR, HIDDEN, batch_first=True)
        self.vocabulary = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, features: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """Return the loss."""
        inputs, targets = captions[:, :-1], captions[:, 1:]
        state = self.projection(features)[None]
        if self.packed:
            lengths = (targets != NULL).sum(1).cpu()
            lengths, order = lengths.sort(descending=True)
            words = pack_padded_sequence(self.embedding(inputs[order]), lengths, batch_first=True)
            targets = pack_padded_sequence(targets[order], lengths, batch_first=True).data
            state = state[:, order]
        else:
            words = self.embedding(inputs)
        if isinstance(self.network, nn.LSTM):
            state = (state, torch.zeros_like(state))
        hidden, _ = self.network(words, state)
        scores = self.vocabulary(hidden.data if self.packed else hidden.flatten(0, 1))
        return nn.functional.cross_entropy(scores, targets.flatten(), ignore_index=NULL)


def usual_epoch(
    cell: str, packed: bool, images: CaptionedImages, device: torch.device
) -> Callable[[], None]:
    """Return what trains a captioner of PyTorch's layers on all captions once."""
    torch.manual_seed(0)
    captioner = UsualCaptioner(cell, packed).to(device)
    optimizer = torch.optim.Adam(captioner.parameters(), lr=1e-3)
    features = torch.from_numpy(images.features[images.image_idxs])
    data = torch.utils.data.TensorDataset(features, torch.from_numpy(images.captions).long())
    loader = torch.utils.data.DataLoader(data, batch_size=N_CAPTIONS, shuffle=True)

    def epoch() -> None:
        for batch in loader:
            optimizer.zero_grad()
            captioner(*(part.to(device) for part in batch)).backward()
            optimizer.step()

    return epoch


def recap_epoch(
    cell: str, images: CaptionedImages, device: torch.device, precision: torch.dtype
) -> Callable[[], None]:
    """Return what trains recap's captioner on all captions once."""
    recipe = Recipe(cell=cell, wordvec_dim=WORD_VECTOR, hidden_dim=HIDDEN)
    trainer = make_trainer(recipe, FEATURES, WORDS, 0, device, precision)
    generator = np.random.default_rng(0)

    def epoch() -> None:
        for wanted in draw_batches(images, N_CAPTIONS, NULL, generator):
            trainer.step(*images.batch(wanted, NULL), 1e-3)

    return epoch


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


def flops(cell: str, images: CaptionedImages) -> float:
    """Return the operations of a training step on the real targets alone, for all captions."""
    targets = (images.captions[:, 1:] != NULL).sum()
    gates = GATES[cell] * HIDDEN
    word = WORD_VECTOR * gates + HIDDEN * gates + HIDDEN * VOCABULARY
    return 3 * 2 * (targets * word + len(images) * FEATURES * HIDDEN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 9")
    rounds = 3 if parser.parse_args().quick else 9

    keep_freed_memory()
    device = choose_device("auto")
    precision = choose_precision(device)
    generator = np.random.default_rng(0)
    captions = np.concatenate([captions_of_a_batch(generator) for _ in range(BATCHES)])
    features = generator.standard_normal((len(captions), FEATURES)).astype(np.float32)
    images = CaptionedImages(
        features, captions.astype(np.int32), np.arange(len(captions), dtype=np.int32)
    )
    peak = peak_rate(device, precision)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {device.type},"
        f" PyTorch {torch.__version__} with {torch.get_num_threads()} threads; {precision} product"
        f" {peak / 1e9:.0f} GFLOP/s; {len(captions)} captions, {rounds} rounds"
    )
    print(f"{'cell':6}{'contender':12}{'captions/s':>12}{'over plain':>12}{'share of peak':>15}")
    figures = {}
    for cell in NETWORKS:
        epochs = {
            "plain": usual_epoch(cell, False, images, device),
            "packed": usual_epoch(cell, True, images, device),
            "recap": recap_epoch(cell, images, device, precision),
        }
        seconds = {name: [] for name in epochs}
        for _ in range(rounds + 1):
            for name, epoch in epochs.items():
                start = time.perf_counter()
                epoch()
                seconds[name].append(time.perf_counter() - start)
        rates = {name: len(captions) / statistics.median(t[1:]) for name, t in seconds.items()}
        share = flops(cell, images) / len(captions) * rates["recap"] / peak
        for name, rate in rates.items():
            shown = f"{share:15.2f}" if name == "recap" else ""
            print(f"{cell:6}{name:12}{rate:12.0f}{rate / rates['plain']:12.2f}{shown}")
        figures |= {
            f"{cell}_over_plain": round(rates["recap"] / rates["plain"], 3),
            f"{cell}_over_packed": round(rates["recap"] / rates["packed"], 3),
            f"{cell}_share_of_peak": round(float(share), 3),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
