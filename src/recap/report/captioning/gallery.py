"""A choice of photos with what people and the models say of them."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recap.core.files import atomic_path
from recap.core.images import ImageStore
from recap.core.progress import progress
from recap.report.captioning.choose_images import choose_images, overconfidence
from recap.report.captioning.comparison import Comparison
from recap.report.captioning.judge import TIE
from recap.report.captioning.verdict import Verdict
from recap.report.captioning.words import SaidWords, read_words
from recap.report.numbers import percent
from recap.report.thumbnails import as_data, small_webp

MOST_MODELS = 6


@dataclass(frozen=True)
class ModelCaption:
    """What one model says of a photo.

    Attributes
    ----------
    model : str
        Name of the model.
    caption : str
        Its caption.
    cider : float
        CIDEr-D of the caption, as a fraction.
    said : SaidWords
        Its words.
    """

    model: str
    caption: str
    cider: float
    said: SaidWords

    @property
    def space(self) -> str:
        """What stands between two words: nothing in a language without spaces."""
        return "" if self.caption == "".join(word for word, _ in self.said.words) else " "


@dataclass(frozen=True)
class Card:
    """One photo of the gallery.

    Attributes
    ----------
    image_id : int
        As the annotations have it.
    file_name : str
        As the annotations have it.
    picture : str
        WebP as a data URI, or its path from the page; empty if the photos are not at hand.
    width, height : int
        Its size in pixels.
    address : str
        Where the photo can be seen, if not here; empty if it can, or nothing tells.
    references : list of str
        What people wrote.
    captions : list of ModelCaption
        What each model says.
    groups : list of str
        Names of the groups it belongs to.
    objects : list of str
        What is in the photo, where that is known.
    overconfidence : float
        How sure the models were of wrong captions, from `overconfidence`; 0 where it is not known.
    """

    image_id: int
    file_name: str
    picture: str
    width: int
    height: int
    address: str
    references: list[str]
    captions: list[ModelCaption]
    groups: list[str]
    objects: list[str]
    overconfidence: float

    @property
    def mean(self) -> float:
        """Mean CIDEr-D of the models."""
        return sum(item.cider for item in self.captions) / len(self.captions)

    @property
    def highest(self) -> float:
        """The highest CIDEr-D of any model."""
        return max(item.cider for item in self.captions)

    @property
    def gap(self) -> float:
        """Difference between the highest and the lowest CIDEr-D."""
        scores = [item.cider for item in self.captions]
        return max(scores) - min(scores)

    @property
    def lead(self) -> float:
        """How far the first model is ahead of the second; 0 for a single model."""
        scores = [item.cider for item in self.captions]
        return scores[0] - scores[1] if len(scores) > 1 else 0.0

    @property
    def winner(self) -> str:
        """The model whose caption scores highest; empty for a tie or a single model."""
        *_, second, first = [None, *sorted(self.captions, key=lambda item: item.cider)]
        return first.model if second and first.cider - second.cider > TIE else ""

    @property
    def data(self) -> dict[str, str]:
        """What the page finds and sorts the photo by, as `data-` attributes."""
        won = [
            f"won-{place}" for place, item in enumerate(self.captions) if item.model == self.winner
        ]
        data = {
            "name": self.file_name,
            "id": str(self.image_id),
            "groups": " ".join([*self.groups, *won]),
            "mean": f"{self.mean:.4f}",
            "gap": f"{self.gap:.4f}",
            "lead": f"{self.lead:.4f}",
            "overconfidence": f"{self.overconfidence:.4f}",
        }
        for place, item in enumerate(self.captions):
            data[f"score-{place}"] = f"{item.cider:.4f}"
            if item.said.words:
                data[f"confidence-{place}"] = f"{item.said.confidence:.3f}"
        if self.objects:
            data["objects"] = json.dumps(self.objects, ensure_ascii=False)
        return data

    @property
    def record(self) -> dict[str, Any]:
        """What the page makes the photo's card of when it is asked for."""
        return {
            "data": self.data,
            "picture": self.picture,
            "width": self.width,
            "height": self.height,
            "address": self.address,
            "references": self.references,
            "captions": [
                {
                    "text": item.caption,
                    "score": percent(item.cider),
                    "space": item.space,
                    "words": [[word, round(share, 2)] for word, share in item.said.words],
                    "maps": item.said.maps,
                    "seen": item.said.seen,
                }
                for item in self.captions
            ],
        }


@dataclass(frozen=True)
class Gallery:
    """Photos with what is said of them.

    Attributes
    ----------
    models : list of str
        Whose captions are shown, the best first.
    cards : list of Card
        The photos, in the order in which they are shown at first.
    others : list of Card
        All other scored photos, whose pictures lie beside the page; empty if they are left out.
    groups : dict of str to str
        What can be chosen of them: title by name of the group.
    objects : list of str
        Every kind of object in the photos.
    confident : bool
        Whether words have probabilities.
    attentive : list of str
        The models whose words have maps of attention.
    without_pictures : bool
        Whether the photos are not at hand.
    """

    models: list[str]
    cards: list[Card]
    others: list[Card]
    groups: dict[str, str]
    objects: list[str]
    confident: bool
    attentive: list[str]
    without_pictures: bool

    @property
    def striking(self) -> Card | None:
        """The photo to begin with; None where there is no picture.

        Of the half of the photos whose best caption scores higher, the one whose captions' scores
        are furthest apart, or of a single model the one with the highest score.
        """
        there = [card for card in self.cards if card.picture]
        if not there:
            return None
        middle = np.median([card.highest for card in there])
        good = [card for card in there if card.highest >= middle]
        return max(good, key=lambda card: (card.gap, card.highest))


def shown_models(verdict: Verdict) -> list[str]:
    """Return whose captions are shown: the best models, the best first."""
    return [standing.model for standing in verdict.standings][:MOST_MODELS]


def build_gallery(
    comparison: Comparison,
    verdict: Verdict,
    models: list[str],
    *,
    explained: Collection[int] = (),
    seed: int,
    beside: tuple[Path, str] | None = None,
) -> Gallery:
    """Choose photos and put together what is said of them.

    The captions and scores are those of each model's first seed.

    Parameters
    ----------
    comparison : Comparison
        What was scored.
    verdict : Verdict
        By which decoder.
    models : list of str
        Whose captions are shown, from `shown_models`.
    explained : collection of int
        Ids of the images with maps of words, which are chosen.
    seed : int
        Seed of what is drawn.
    beside : tuple of (Path, str), optional
        Folder of the page, and what the paths from there of the pictures begin with that are not
        chosen; without, these photos are left out.

    Raises
    ------
    InputError
        If a photo is missing or broken.
    """
    shown = {model: comparison.decodings(model, verdict.decoder)[0] for model in models}
    words = {model: read_words(decoding) for model, decoding in shown.items()}
    cider = np.stack([decoding.cider for decoding in shown.values()])
    overconfident = None
    if all(words.values()):
        confidence = np.array(
            [
                [of.get(key, SaidWords()).confidence for key in comparison.image_ids]
                for of in words.values()
            ]
        )
        overconfident = overconfidence(confidence, cider)
    columns = [
        column for column, image_id in enumerate(comparison.image_ids) if image_id in explained
    ]
    chosen = choose_images(cider, overconfident, explained=columns, seed=seed)
    records = {image["id"]: image for image in comparison.annotations.images}

    def card(index: int, picture: str, width: int, height: int) -> Card:
        image_id = comparison.image_ids[index]
        record = records[image_id]
        return Card(
            image_id=image_id,
            file_name=record["file_name"],
            picture=picture,
            width=width,
            height=height,
            address="" if picture else _address(record),
            references=comparison.references[index],
            captions=[
                ModelCaption(
                    model=model,
                    caption=decoding.captions[index],
                    cider=float(decoding.cider[index]),
                    said=words[model].get(image_id, SaidWords()),
                )
                for model, decoding in shown.items()
            ],
            groups=[name for name, indices in chosen.items() if index in indices],
            objects=[name for name, ids in comparison.categories.items() if image_id in ids],
            overconfidence=0.0 if overconfident is None else float(overconfident[index]),
        )

    names = [records[image_id]["file_name"] for image_id in comparison.image_ids]
    here = sorted(set().union(*chosen.values()))
    cards = [
        card(index, as_data(data) if data else "", width, height)
        for index, data, width, height in _pictures(comparison.images, names, here)
    ]
    cards.sort(key=lambda card: -card.gap if len(models) > 1 else -card.mean)
    others = []
    if beside is not None:
        folder, beginning = beside
        left = progress(sorted(set(range(len(names))) - set(here)), desc="photos", unit="photo")
        for index, data, width, height in _pictures(comparison.images, names, left):
            path = f"{beginning}{comparison.image_ids[index]}.webp"
            if data:
                with atomic_path(folder / path) as scratch:
                    scratch.write_bytes(data)
            others.append(card(index, path if data else "", width, height))
    titles = {
        "best": "best",
        "worst": "worst",
        "disagree": "where the models disagree most",
        "sure": "sure and wrong",
        "explained": "with maps of words",
        "drawn": "drawn at random",
    }
    return Gallery(
        models=models,
        cards=cards,
        others=others,
        groups={name: titles[name] for name, indices in chosen.items() if indices},
        objects=sorted({name for card in [*cards, *others] for name in card.objects}),
        confident=any(words.values()),
        attentive=[
            model for model, of in words.items() if any(said.attention for said in of.values())
        ],
        without_pictures=comparison.images is None,
    )


def _pictures(
    images: Path | None, names: list[str], indices: Iterable[int]
) -> Iterator[tuple[int, bytes, int, int]]:
    """Yield each photo's index, its picture and the picture's size; nothing of photos not there."""
    if images is None:
        yield from ((index, b"", 0, 0) for index in indices)
        return
    with ImageStore(images) as store:
        for index in indices:
            yield index, *small_webp(store.read(names[index]))


def _address(record: dict) -> str:
    """Return where an image can be seen, if its record says so."""
    address = str(record.get("flickr_url"))
    return address if address.startswith(("http://", "https://")) else ""
