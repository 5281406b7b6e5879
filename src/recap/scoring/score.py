"""Scores of captions against reference captions, as coco-caption computes them."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from recap.annotations import read_annotations
from recap.errors import InputError
from recap.files import read_json, write_json
from recap.scoring.meteor import meteor_scores
from recap.scoring.treebank import tokenize_for_scoring

TOKENIZER = "recap's, after the conventions of the Penn Treebank"


def read_results(path: Path) -> dict[int, str]:
    """Read a COCO caption results file.

    Format: https://cocodataset.org/#format-results

    Parameters
    ----------
    path : Path
        JSON list of `{"image_id": 1, "caption": "..."}`.

    Returns
    -------
    dict of int to str
        Caption by image id, in file order.

    Raises
    ------
    InputError
        If the file is missing, empty or in another format, or names an image twice.
    """
    captions: dict[int, str] = {}
    try:
        for entry in read_json(path):
            image, caption = entry["image_id"], entry["caption"]
            if not (isinstance(image, int) and isinstance(caption, str)):
                raise TypeError(f"image {image!r}, caption {caption!r}")
            if image in captions:
                raise InputError(
                    f"{path} has more than one caption of image {image}: keep one per image."
                )
            captions[image] = caption
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a COCO caption results file ({error!r}): it needs a list of"
            ' {"image_id": 1, "caption": "..."}.'
        ) from None
    if not captions:
        raise InputError(f"{path} holds no caption: caption at least one image.")
    return captions


def name_images(images: list[int]) -> str:
    """Return a phrase such as "image 1" or "images 1, 2, 3 and 7 more"."""
    shown = ", ".join(str(image) for image in images[:3])
    more = f" and {len(images) - 3} more" if len(images) > 3 else ""
    return f"image{'s' if len(images) > 1 else ''} {shown}{more}"


def compute_scores(captions: dict[int, str], references: dict[int, list[str]]) -> dict[str, Any]:
    """Score captions with pycocoevalcap's BLEU, METEOR, ROUGE-L and CIDEr-D.

    BLEU and METEOR are those of the whole corpus, not means over the images, as ROUGE-L and
    CIDEr-D are; BLEU takes the length of the closest reference. CIDEr-D weighs words by how many
    of these images have them in a reference, so that it depends on the set of images.

    Parameters
    ----------
    captions : dict of int to str
        Caption by image id.
    references : dict of int to list of str
        One or more reference captions of each of these images; more images do no harm.

    Returns
    -------
    dict
        `scores`, fractions by name, None for what was not computed; `images` and `references`,
        counts; `tokenizer` and `scorers`, what computed them; `notes`, sentences; `per_image`,
        lists in the order of its `image_id`, which is ascending.
    """
    images = sorted(captions)
    hypotheses = {image: [_tokens(captions[image])] for image in images}
    truths = {image: [_tokens(text) for text in references[image]] for image in images}
    notes = []

    bleu, bleu_per_image = Bleu(4).compute_score(truths, hypotheses, verbose=0)
    rouge, rouge_per_image = Rouge().compute_score(truths, hypotheses)
    if any(any(texts) for texts in truths.values()):
        cider, cider_per_image = Cider().compute_score(truths, hypotheses)
    else:
        cider, cider_per_image = 0.0, [0.0] * len(images)
        notes.append("CIDEr-D is 0, because no reference caption has a word.")
    if len(images) == 1:
        notes.append(
            "CIDEr-D of a single image is 0 by definition, because it weighs words by how rare"
            " they are among the images that are scored."
        )
    meteor = meteor_scores(truths, hypotheses)
    if isinstance(meteor, str):
        notes.append(meteor)
        meteor_of_corpus, meteor_per_image = None, None
    else:
        meteor_of_corpus, meteor_per_image = meteor
    return {
        "scores": {
            **{f"BLEU-{n}": value for n, value in enumerate(bleu, 1)},
            "METEOR": meteor_of_corpus,
            "ROUGE-L": float(rouge),
            "CIDEr-D": float(cider),
        },
        "images": len(images),
        "references": sum(len(texts) for texts in truths.values()),
        "tokenizer": TOKENIZER,
        "scorers": f"pycocoevalcap {version('pycocoevalcap')}",
        "notes": notes,
        "per_image": {
            "image_id": images,
            "BLEU-4": bleu_per_image[3],
            "METEOR": meteor_per_image,
            "ROUGE-L": [float(value) for value in rouge_per_image],
            "CIDEr-D": [float(value) for value in cider_per_image],
        },
    }


def _tokens(caption: str) -> str:
    return " ".join(tokenize_for_scoring(caption))


def score_captions(results: Path, annotations: Path, *, output: Path | None = None) -> None:
    """Score captions against reference captions: BLEU, METEOR, ROUGE-L and CIDEr-D.

    The scorers are coco-caption's, and so are the words, but for rare exceptions
    (`recap.scoring.treebank`). Only the images of the results are scored. METEOR needs a
    `java` on the PATH; the others do not. Prints a table.

    Parameters
    ----------
    results : Path
        Captions in COCO's results format, one per image.
    annotations : Path
        COCO caption annotations with the reference captions of these images.
    output : Path, optional
        JSON file for the scores of the whole and of each image.

    Raises
    ------
    InputError
        If a file is missing or in another format, or an image of the results is there twice, is
        not in the annotations or has no reference caption.
    """
    captions = read_results(results)
    references = read_annotations(annotations).captions_by_image()
    if unknown := [image for image in captions if image not in references]:
        raise InputError(
            f"{results} has captions of {name_images(unknown)}, which {annotations} does not"
            " list: use the annotations of the captioned images."
        )
    if bare := [image for image in captions if not references[image]]:
        raise InputError(
            f"{annotations} has no reference caption of {name_images(bare)}: add some, or leave"
            f" the captions out of {results}."
        )
    scores = compute_scores(captions, references)
    if len(captions) < len(references):
        scores["notes"].append(
            f"{len(references) - len(captions)} of the {len(references)} images in the"
            " annotations have no caption in the results and were left out."
        )
    if output is not None:
        write_json(output, scores)
    for name, value in scores["scores"].items():
        print(f"{name:<8}{'-' if value is None else format(value, '.4f'):>8}")
    print(f"{scores['images']} images, {scores['references']} reference captions")
    for note in scores["notes"]:
        print(note)
