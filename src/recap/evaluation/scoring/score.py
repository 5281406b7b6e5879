"""Scores of captions against reference captions, as coco-caption computes them."""

import json
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recap.captions.metrics.bleu import bleu_counts, bleu_of_counts
from recap.captions.metrics.cider import CiderD
from recap.captions.metrics.rouge import rouge_l
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.core.outputs import OutputFile
from recap.core.text import counted, part_characters
from recap.datasets.annotations import read_annotations
from recap.evaluation.scoring.java import JavaProblem
from recap.evaluation.scoring.meteor import meteor_scores
from recap.evaluation.scoring.references import PreparedReferences, lacks_spaces, tokenized
from recap.evaluation.scoring.results import name_images, read_results
from recap.evaluation.scoring.spice import spice_scores

TOKENIZER = "recap's, after the conventions of the Penn Treebank"


def compute_scores(
    captions: dict[int, str],
    references: PreparedReferences,
    *,
    meteor: bool = True,
    spice: Path | None = None,
) -> dict[str, Any]:
    """Score captions by BLEU, METEOR, ROUGE-L, CIDEr-D and SPICE.

    BLEU and METEOR are those of the whole corpus, not means over the images, as the others are;
    BLEU takes the length of the closest reference. CIDEr-D weighs words by how many of these
    images have them in a reference, so that it depends on the set of images.

    Parameters
    ----------
    captions : dict of int to str
        Caption by image id.
    references : PreparedReferences
        One or more reference captions of each of these images; other images have no part.
    meteor : bool
        Whether to compute METEOR, if there is a Java.
    spice : Path, optional
        Archive of Stanford CoreNLP, with which to compute SPICE if there is a Java.

    Returns
    -------
    dict
        `scores`, fractions by name, None for what was not computed; `images` and `references`,
        counts; `tokenizer` and `scorers`, what computed them; `notes`, sentences; `per_image`,
        lists in the order of its `image_id`, which is ascending; `BLEU counts` is what
        `recap.captions.metrics.bleu.bleu_counts` returns.
    """
    images = sorted(captions)
    rows = [references.rows[image] for image in images]
    truths = [references.texts[row] for row in rows]
    # The words depend on the order, which is that of the references.
    in_order = sorted(captions, key=references.rows.__getitem__)
    cut = dict(zip(in_order, tokenized([captions[image] for image in in_order]), strict=True))
    texts = [cut[image] for image in images]

    candidates = references.ngrams.match(rows, [text.split() for text in texts])
    counts = bleu_counts(references.ngrams, candidates)
    cider = CiderD(references.ngrams, rows).score(candidates)
    rouge = [
        rouge_l(text.split(" "), [truth.split(" ") for truth in of_image])
        for text, of_image in zip(texts, truths, strict=True)
    ]
    names = [f"BLEU-{n}" for n in range(1, 5)]
    scores = dict(zip(names, bleu_of_counts(counts.sum(axis=1)).tolist(), strict=True))
    scores |= {"METEOR": None, "ROUGE-L": float(np.mean(rouge)), "CIDEr-D": float(cider.mean())}
    per_image = {
        "image_id": images,
        **dict(zip(names, bleu_of_counts(counts).tolist(), strict=True)),
    }
    per_image |= {"METEOR": None, "ROUGE-L": rouge, "CIDEr-D": cider.tolist()}
    per_image["BLEU counts"] = counts.astype(int).T.tolist()

    notes = []
    if not any(map(any, truths)):
        notes.append("CIDEr-D is 0, because no reference caption has a word.")
    if empty := [image for image, text in cut.items() if not text]:
        notes.append(
            f"{counted(len(empty), 'caption')} without a word: 0 by every metric, such as that of"
            f" image {empty[0]}."
        )
    if len(images) == 1:
        notes.append(
            "CIDEr-D of a single image is 0 by definition, because it weighs words by how rare"
            " they are among the images that are scored."
        )
    in_java = {}
    if meteor:
        in_java["METEOR"] = meteor_scores
    if spice is not None:
        in_java["SPICE"] = lambda truths, texts: spice_scores(truths, texts, spice)
    for name, score in in_java.items():
        try:
            scores[name], per_image[name] = score(
                dict(zip(images, truths, strict=True)),
                {image: [text] for image, text in zip(images, texts, strict=True)},
            )
        except JavaProblem as problem:
            scores[name] = per_image[name] = None
            notes.append(f"{name} was not computed, because {problem}.")
    return {
        "scores": scores,
        "images": len(images),
        "references": sum(map(len, truths)),
        "tokenizer": TOKENIZER,
        "scorers": "recap's, equal to pycocoevalcap's; METEOR and SPICE: pycocoevalcap"
        f" {version('pycocoevalcap')}",
        "notes": notes,
        "per_image": per_image,
    }


def score_captions(
    results: Path,
    annotations: Path,
    *,
    output: OutputFile | None = None,
    subset: bool = False,
    words: Literal["spaces", "characters"] = "spaces",
    meteor: bool = True,
    spice: Path | None = None,
    format: Literal["table", "json"] = "table",
) -> None:
    """Score captions against reference captions: BLEU, METEOR, ROUGE-L, CIDEr-D and SPICE.

    The scores are coco-caption's (docs/evaluation.md says how that is known). METEOR and SPICE need
    Java; the others do not. Prints a table.

    Parameters
    ----------
    results : Path
        Captions in COCO's results format, one per image.
    annotations : Path
        COCO caption annotations with the reference captions of these images.
    output : Path, optional
        JSON file to write, with the scores of the whole and of each image.
    subset : bool
        Score only the images that have both a result and a reference caption.
    words : {"spaces", "characters"}
        What parts words: spaces; or in scripts that are written without them, such as Chinese,
        nothing: each letter counts as a word.
    meteor : bool
        Compute METEOR, if there is a Java; `--meteor=false` leaves it out.
    spice : Path, optional
        Archive of Stanford CoreNLP, as `recap download-file` brings it; SPICE is computed with it.
    format : {"table", "json"}
        What to print: a table, or what the JSON file would hold.

    Raises
    ------
    InputError
        If a file is missing or in another format, or an image of the results is there twice, is
        not in the annotations or has no reference caption, or if images have no result.
    """
    if spice is not None and not spice.is_file():
        raise InputError(f"{spice} does not exist: bring it with `recap download-file`.")
    captions = read_results(results)
    references = read_annotations(annotations).captions_by_image()
    if unknown := [image for image in captions if image not in references]:
        raise InputError(
            f"{results} has captions of {name_images(unknown)}, which {annotations} does not"
            " list: use the annotations of the captioned images."
        )
    bare = [image for image in captions if not references[image]]
    if bare and not (subset and len(bare) < len(captions)):
        raise InputError(
            f"{annotations} has no reference caption of {name_images(bare)}: add some, or leave"
            f" the captions out of {results}."
        )
    captions = {image: text for image, text in captions.items() if references[image]}
    left = [image for image, texts in references.items() if texts and image not in captions]
    if left and not subset:
        raise InputError(
            f"{results} has no caption of {name_images(left)} of {annotations}: caption all"
            " images, or score those that have a caption with --subset."
        )
    scored = {image: texts for image, texts in references.items() if image in captions}
    if words == "characters":
        captions = {image: part_characters(text) for image, text in captions.items()}
        scored = {image: [*map(part_characters, texts)] for image, texts in scored.items()}
    scores = compute_scores(captions, PreparedReferences(scored), meteor=meteor, spice=spice)
    for path, texts in {annotations: chain(*scored.values()), results: captions.values()}.items():
        if lacks_spaces(texts):
            scores["notes"].append(
                f"The captions of {path.name} have no spaces between their words, so that each"
                " counts as one word and scores are near 0: train and score with `words:"
                " characters` (--words=characters), or put spaces between the words of all"
                " captions, by a word segmenter of their language, before both."
            )
            break
    if left:
        scores["notes"].append(
            f"{len(left)} of the {len(references)} images in the annotations have no caption in"
            " the results and were left out."
        )
    if bare:
        scores["notes"].append(
            f"{counted(len(bare), 'image')} without a reference caption left out, such as"
            f" {bare[0]}."
        )
    if output is not None:
        write_json(output, scores, record_digest=True)
    if format == "json":
        print(json.dumps(scores, indent=2))
        return
    for name, value in scores["scores"].items():
        print(f"{name:<8}{'-' if value is None else f'{value:.4f}':>8}")
    references = counted(scores["references"], "reference caption")
    print(f"{counted(scores['images'], 'image')}, {references}")
    for note in scores["notes"]:
        print(note)
