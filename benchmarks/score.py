"""Time the scores of captions: the official pipeline against recap.

The official pipeline is pycocoevalcap's: the Java tokenizer, BLEU, ROUGE-L and CIDEr-D, as its own
COCOEvalCap calls them, for references and captions of every model anew. So does a scoring job of
the workflow; a program that keeps prepared references scores a further model for the captions
alone. Both score the same drawn captions, and the largest difference between any two of their
values is told.

Usage: python benchmarks/score.py [--quick]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from recap.evaluation.scoring.java import find_java
from recap.evaluation.scoring.references import PreparedReferences
from recap.evaluation.scoring.score import compute_scores

IMAGES, REFERENCES = 40_000, 5
VOCABULARY = 9_000
ROUNDS = 5
SYLLABLES = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]
METRICS = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]


def draw_corpus(images: int) -> tuple[dict[int, str], dict[int, list[str]]]:
    """Draw a caption and the references of each image, as people write them.

    An image has words of its own; about half of a caption's words are among them, the others
    follow Zipf's law. Some words have a clitic, a hyphen or a comma.
    """
    generator = np.random.default_rng(0)
    names = set()
    while len(names) < VOCABULARY:
        names.add("".join(generator.choice(SYLLABLES, generator.integers(1, 5))))
    words = np.array(sorted(names))[generator.permutation(VOCABULARY)]
    chances = 1 / np.arange(1, VOCABULARY + 1)
    chances /= chances.sum()
    common = generator.choice(VOCABULARY, images * 30, p=chances).reshape(images, 30)
    captions, references = {}, {}
    for image in range(images):
        texts = []
        for _ in range(1 + REFERENCES):
            length = generator.integers(8, 15)
            own = words[common[image, generator.integers(0, 10, length)]]
            other = words[common[generator.integers(images), 10 : 10 + length]]
            text = np.where(generator.random(length) < 0.5, own, other).astype(object)
            for place in np.flatnonzero(generator.random(length) < 0.02):
                text[place] += generator.choice(["'s", ",", "-" + text[place], "n't"])
            texts.append(" ".join(text).capitalize() + generator.choice([".", " .", ""]))
        captions[image], *references[image] = texts[0], *texts[1:]
    return captions, references


def official(captions: dict[int, str], references: dict[int, list[str]]) -> tuple[dict, dict]:
    """Return the seconds of each part of the official pipeline, and its values by metric."""
    tokenizer = PTBTokenizer()
    truths = {image: [{"caption": text} for text in texts] for image, texts in references.items()}
    hypotheses = {image: [{"caption": text}] for image, text in captions.items()}
    seconds, start = {}, time.perf_counter()
    truths, hypotheses = tokenizer.tokenize(truths), tokenizer.tokenize(hypotheses)
    seconds["tokenizer"] = time.perf_counter() - start
    values = {}
    for name, scorer in {"BLEU": Bleu(4), "ROUGE-L": Rouge(), "CIDEr-D": Cider()}.items():
        start = time.perf_counter()
        options = {"verbose": 0} if name == "BLEU" else {}
        score, per_image = scorer.compute_score(truths, hypotheses, **options)
        seconds[name] = time.perf_counter() - start
        if name == "BLEU":
            for n in range(4):
                values[f"BLEU-{n + 1}"] = np.append(score[n], per_image[n])
        else:
            values[name] = np.append(score, per_image)
    return seconds, values


def timed(function: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the captions")
    images = IMAGES // 10 if parser.parse_args().quick else IMAGES
    java = find_java()
    os.environ["PATH"] = os.pathsep.join([str(Path(java).parent), os.environ["PATH"]])
    line = subprocess.run([java, "-version"], capture_output=True, text=True).stderr.splitlines()[0]

    captions, references = draw_corpus(images)
    everything = [*captions.values(), *(text for texts in references.values() for text in texts)]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {line},"
        f" pycocoevalcap {version('pycocoevalcap')}; {images:,} captions against {REFERENCES}"
        f" references each, {len({word for text in everything for word in text.split()}):,} words,"
        f" {1 - len(set(everything)) / len(everything):.1%} of the captions repeated"
    )
    seconds, wanted = official(captions, references)
    prepare, score = [], []
    for _ in range(ROUNDS):
        taken, prepared = timed(lambda: PreparedReferences(references))
        prepare.append(taken)
        taken, scores = timed(lambda ready=prepared: compute_scores(captions, ready, meteor=False))
        score.append(taken)
    prepare, further = statistics.median(prepare), statistics.median(score)
    difference = max(
        np.abs(wanted[name] - [scores["scores"][name], *scores["per_image"][name]]).max()
        for name in METRICS
    )
    total = sum(seconds.values())
    print(f"{'official':30}{'seconds':>9}")
    for name, taken in seconds.items():
        print(f"  {name:28}{taken:9.2f}")
    print(f"  {'all, for every model':28}{total:9.2f}{images / total:12,.0f} captions/s")
    print("recap")
    both = prepare + further
    print(f"  {'references':28}{prepare:9.2f}")
    print(f"  {'captions':28}{further:9.2f}{images / further:12,.0f} captions/s")
    print(f"  {'both, as the workflow':28}{both:9.2f}{images / both:12,.0f} captions/s")
    print(f"largest difference of {len(wanted) * (images + 1):,} values: {difference:.1e}")
    print(
        json.dumps(
            {
                "over_official": round(total / further, 2),
                "over_official_cold": round(total / both, 2),
                "max_difference": float(difference),
            }
        )
    )


if __name__ == "__main__":
    main()
