"""Caption any photos: print what is found, or show it on a page."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Literal

from PIL import Image

import recap
from recap.captioners.folder import TrainedCaptioner
from recap.captioners.stepwise import load_captioners
from recap.core.checks import require
from recap.core.devices import Device, use_threads
from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.images import decode_image
from recap.core.outputs import OutputFile
from recap.core.photo_store import read_photo
from recap.core.text import counted
from recap.evaluation.attention import in_levels
from recap.evaluation.caption import CaptionedPhoto, caption_photos, warnings_of
from recap.evaluation.decoders import Decoder, read_decoder
from recap.evaluation.origin import find_pca
from recap.report.maps import SIDE, Word, shade
from recap.report.shell import KIT, render
from recap.report.thumbnails import thumbnail

HERE = Path(__file__).parent

# The captioner that comes with recap; its card is the README.md there.
PRETRAINED = Path(recap.__file__).parent / "pretrained/flickr8k"
TERMS = (
    "captions by recap's own captioner, which learnt from Flickr8k: for research and education"
    " only; it names what Flickr8k's photos show, people and dogs above all, and is often wrong"
)


def caption(
    *photos: Path,
    model: list[Path] | None = None,
    pca: Path | None = None,
    weights: str = "",
    decoder: str = "beam3",
    best: int = 1,
    format: Literal["text", "csv", "json"] = "text",
    page: OutputFile | None = None,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Print a caption for each photo, and show them on a page.

    A photo of the study gets the same features as in the study, if those were made on the same kind
    of device: the number format is kept, and batches are filled up to their usual size. A captioner
    that was trained on drawn scenes alone says so on standard error, and so does the one that comes
    with recap, of the terms and limits of its data.

    Parameters
    ----------
    photos : Path
        Picture files.
    model : list of Path, optional
        Folder of a trained captioner, such as `results/shapes/models/lstm/seed0`, or of one that
        `export_captioner` wrote; several caption as an ensemble, by the mean of their
        probabilities. By default the one that comes with recap, which learnt from Flickr8k.
    pca : Path, optional
        What `fit_pca` wrote in the captioner's study; found beside the captioner by default.
    weights : str
        File of the backbone's weights, where they are neither random nor exported with the
        captioner.
    decoder : str
        `greedy`, `sample`, or `beam` and a width, such as `beam3`; then options, such as
        `beam5-length_penalty=0.7-block_ngrams=3` or `sample-temperature=0.8-nucleus=0.9-seed=1`.
    best : int
        Captions a photo, the best ones; more than one only of a beam that is as wide.
    format : {"text", "csv", "json"}
        What to print: lines to read, or all that is known: a row of `photo`, `rank` from 1 up,
        `caption`, `probability` and `word_probabilities` for each caption; or `[{"photo": …,
        "captions": [{"caption": …, "probability": …, "words": […], "probabilities": […]}]}]`. A
        word's probability is what it has after those before it, a caption's the product, its end
        counted, too.
    page : Path, optional
        HTML page to write, which needs no other file: each photo with its captions, how sure the
        captioner was of each word, and which part of the photo each depends on: its attention, or
        the gradient of one that has none. An ensemble has no such maps.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a photo cannot be read (the others are captioned before), the captioner, its PCA or the
        weights are not found, or `best` is below 1 or above the beam's width.
    """
    if not photos:
        raise InputError("There is no photo to caption: name one or more picture files.")
    require(best >= 1, "best", "at least 1", best)
    use_threads(threads)
    chosen = read_decoder(decoder)
    if chosen.mbr:
        raise InputError(
            f"The decoder {decoder} needs the captions that the captioner learnt from, which are"
            f" not there with a photo alone: give beam{chosen.beam_width}."
        )
    note = "" if model else TERMS
    model = model or [PRETRAINED]
    captioners = load_captioners(model)
    warnings = warnings_of(captioners)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if note:
        print(f"note: {note}", file=sys.stderr)
    captioned = caption_photos(
        photos,
        captioners,
        pca or find_pca(model[0]),
        weights=weights,
        decoder=chosen,
        best=best,
        with_maps=page is not None,
        device=device,
    )
    print(FORMATS[format](captioned, len(photos) > 1), end="")
    if page is not None:
        content = render_page(captioned, captioners, chosen, warnings, note)
        with atomic_path(page) as scratch:
            scratch.write_text(content, encoding="utf-8", newline="\n")
        print(f"{len(captioned)} photos with their captions: {page}", file=sys.stderr)
    count = len(set(photos))
    if len(captioned) < count:
        lost = count - len(captioned)
        raise InputError(f"{lost} of {count} photos could not be captioned.")


def _as_text(captioned: list[CaptionedPhoto], several: bool) -> str:
    """Return a line a caption, after its photo's name where there are several photos."""
    lines = []
    for photo in captioned:
        for one in photo.captions:
            line = f"{photo.file}: {one.text}" if several else one.text
            if len(photo.captions) > 1:
                line += f" ({one.probability:.2g})"
            lines.append(f"{line}\n")
    return "".join(lines)


def _as_csv(captioned: list[CaptionedPhoto], several: bool) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["photo", "rank", "caption", "probability", "word_probabilities"])
    for photo in captioned:
        for rank, one in enumerate(photo.captions, start=1):
            chances = " ".join(map(str, _rounded(one.probabilities)))
            writer.writerow([photo.file, rank, one.text, *_rounded([one.probability]), chances])
    return file.getvalue()


def _as_json(captioned: list[CaptionedPhoto], several: bool) -> str:
    listed = [
        {
            "photo": str(photo.file),
            "captions": [
                {
                    "caption": one.text,
                    "probability": _rounded([one.probability])[0],
                    "words": one.words,
                    "probabilities": _rounded(one.probabilities),
                }
                for one in photo.captions
            ],
        }
        for photo in captioned
    ]
    return json.dumps(listed, ensure_ascii=False, indent=1) + "\n"


FORMATS = {"text": _as_text, "csv": _as_csv, "json": _as_json}


def _rounded(values: list[float]) -> list[float]:
    """Return probabilities with four digits, however small they are."""
    return [float(f"{value:.4g}") for value in values]


def render_page(
    captioned: list[CaptionedPhoto],
    captioners: list[TrainedCaptioner],
    decoder: Decoder,
    warnings: list[str],
    note: str,
) -> str:
    """Return the page that shows captioned photos, as HTML."""
    return render(
        HERE / "photos.html",
        scripts=[KIT / "maps.js"],
        title=f"{counted(len(captioned), 'photo')} with captions",
        photos=[_shown(photo, captioners[0].idx_to_word) for photo in captioned],
        by="attention" if captioners[0].recipe.attention else "gradient",
        members=len(captioners),
        decoder=decoder.in_words,
        warnings=warnings,
        note=note,
    )


def _shown(photo: CaptionedPhoto, idx_to_word: list[str]) -> dict:
    """Return what the page shows of a photo: of its folder, nothing."""
    whole, width, height = thumbnail(decode_image(read_photo(photo.file), str(photo.file)))
    seen, *_ = thumbnail(Image.fromarray(photo.seen), SIDE)
    first, *others = photo.captions
    words = []
    if photo.maps is not None:
        words = [
            Word(text, probability, {"map": shade(levels)})
            for text, probability, levels in zip(
                first.words, first.probabilities, in_levels(photo.maps), strict=True
            )
        ]
    return {
        "name": photo.file.name,
        "whole": {"picture": whole, "width": width, "height": height},
        "seen": seen,
        "first": first,
        "others": others,
        "words": words,
        # Words are numbered by falling frequency: the map of the rarest is the one to begin with.
        "rarest": max(
            range(len(first.words)), key=lambda place: idx_to_word.index(first.words[place])
        ),
    }
