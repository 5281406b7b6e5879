"""Time beam search: one image at a time in plain PyTorch, and recap's, all images together.

    python benchmarks/decode.py [--quick] [--study results/shapes]

A trained LSTM of the study captions 1,000 images with a beam of 5; the validation features are
repeated if they are fewer. The plain search is the well-known tutorials': for each image a beam of
partial captions, a step of all of them at once, the best of all continuations, and an end when as
many captions have ended as the beam is wide. It may use every word, as theirs do.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import h5py
import safetensors.torch
import torch

from recap.captioners.stepwise import load_captioners
from recap.core.errors import InputError
from recap.evaluation.decoders import read_decoder
from recap.evaluation.generate import caption_features

WIDTH, MAX_WORDS = 5, 30
START, END = 1, 2


class PlainLstm:
    """The study's captioner in PyTorch's own cell, whose gates stand in another order."""

    def __init__(self, file: Path):
        weights = safetensors.torch.load_file(file)
        self.embedding, self.projection = weights["W_embed"], weights["W_proj"]
        self.projection_bias = weights["b_proj"]
        self.vocabulary, self.vocabulary_bias = weights["W_vocab"], weights["b_vocab"]
        inputs, hidden = len(weights["Wx"]), len(weights["Wh"])
        self.cell = torch.nn.LSTMCell(inputs, hidden)

        def reorder(part: torch.Tensor) -> torch.Tensor:
            i, f, o, g = part.T.chunk(4)
            return torch.cat([i, f, g, o])

        with torch.no_grad():
            self.cell.weight_ih.copy_(reorder(weights["Wx"]))
            self.cell.weight_hh.copy_(reorder(weights["Wh"]))
            self.cell.bias_ih.copy_(reorder(weights["b"]))
            self.cell.bias_hh.zero_()

    @torch.inference_mode()
    def caption(self, features: torch.Tensor) -> list[int]:
        """Return the words of the ended caption with the highest mean log-probability."""
        size, beams = len(self.embedding), WIDTH
        h = (features @ self.projection + self.projection_bias).repeat(beams, 1)
        c = torch.zeros_like(h)
        sequences = torch.full((beams, 1), START)
        scores = torch.zeros(beams, 1)
        ended: list[tuple[float, list[int]]] = []
        for step in range(MAX_WORDS + 1):
            h, c = self.cell(self.embedding[sequences[:, -1]], (h, c))
            words = torch.log_softmax(h @ self.vocabulary + self.vocabulary_bias, dim=1)
            totals = scores + words
            best, flat = (totals[0] if step == 0 else totals.flatten()).topk(beams)
            rows, next_words = flat // size, flat % size
            sequences = torch.cat([sequences[rows], next_words[:, None]], dim=1)
            ends = next_words == END
            for row in ends.nonzero()[:, 0].tolist():
                ended.append((best[row].item() / (step + 1), sequences[row, 1:-1].tolist()))
            beams -= int(ends.sum())
            if beams == 0:
                break
            going_on = ~ends
            rows, sequences, scores = rows[going_on], sequences[going_on], best[going_on, None]
            h, c = h[rows], c[rows]
        return max(ended)[1] if ended else sequences[0, 1:].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100 images instead of 1,000")
    parser.add_argument("--study", type=Path, default=Path("results/shapes"), metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        measure(arguments.study, 100 if arguments.quick else 1000)
    except InputError as error:
        sys.exit(f"error: {error}")


def measure(study: Path, count: int) -> None:
    """Print a table and, as the last line, the figures in JSON."""
    folder = study / "models/lstm/seed0"
    captioners = load_captioners([folder])
    with h5py.File(study / "coco_captioning/val2014_vgg16_fc7_pca.h5") as file:
        rows = torch.from_numpy(file["features"][:])
    features = rows.repeat(-(-count // len(rows)), 1)[:count]
    plain = PlainLstm(folder / "model.safetensors")
    cpu = torch.device("cpu")

    def by_recap(name: str) -> list[list[int]]:
        found = caption_features(captioners, features.numpy(), read_decoder(name), cpu)
        return [caption.words for caption in found]

    contenders = {
        "plain beam5": lambda: [plain.caption(row) for row in features],
        "recap beam5": lambda: by_recap("beam5"),
        "recap beam3": lambda: by_recap("beam3"),
        "recap greedy": lambda: by_recap("greedy"),
        "recap sample": lambda: by_recap("sample-nucleus=0.9"),
    }
    seconds = {}
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, PyTorch"
        f" {torch.__version__} with {torch.get_num_threads()} threads; {count} images,"
        f" {len(plain.embedding)} words, H = {len(captioners[0].parameters['Wh'])}"
    )
    print(f"{'search':14}{'seconds':>9}{'captions/s':>12}{'words':>7}")
    for name, search in contenders.items():
        search_seconds = []
        for _ in range(2):
            start = time.perf_counter()
            captions = search()
            search_seconds.append(time.perf_counter() - start)
        seconds[name] = min(search_seconds)
        words = sum(map(len, captions)) / len(captions)
        print(f"{name:14}{seconds[name]:9.2f}{count / seconds[name]:12.0f}{words:7.1f}")
    print(
        json.dumps(
            {
                "beam5_over_plain": round(seconds["plain beam5"] / seconds["recap beam5"], 2),
                "beam5_seconds": round(seconds["recap beam5"], 2),
                "greedy_seconds": round(seconds["recap greedy"], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
