"""The words of captions, each with how sure the model was and where it looked."""

import base64
from dataclasses import dataclass, field
from math import isqrt

import numpy as np

from recap.core.errors import InputError
from recap.core.json_files import read_json
from recap.report.captioning.study import Decoding
from recap.report.maps import digits


@dataclass(frozen=True)
class SaidWords:
    """The words of one caption.

    Attributes
    ----------
    words : list of tuple of (str, float)
        Each word with the probability that the model gave it after those before; empty where it
        was not written down.
    attention : bytes
        Of each word the model's attention, a square of regions, a byte each; empty where it has
        none.
    seen : float
        The share of the photo's shorter side that the square about its middle has over which the
        maps lie; 0 for the whole photo.
    """

    words: list[tuple[str, float]] = field(default_factory=list)
    attention: bytes = b""
    seen: float = 0.0

    @property
    def confidence(self) -> float:
        """The geometric mean of the words' probabilities; 0 where they are not known."""
        if not self.words:
            return 0.0
        return float(np.exp(np.mean(np.log([max(share, 1e-12) for _, share in self.words]))))

    @property
    def maps(self) -> list[str]:
        """Of each word its attention, as `digits` writes it; empty where there is none."""
        if not self.attention:
            return []
        levels = np.frombuffer(self.attention, np.uint8)
        return digits(levels.reshape(len(self.words), self._side, self._side))

    @property
    def _side(self) -> int:
        return isqrt(len(self.attention) // max(len(self.words), 1))


def read_words(decoding: Decoding) -> dict[int, SaidWords]:
    """Read the words of each image's caption, if they were written down.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = decoding.file.with_suffix(".words.json")
    if not path.exists():
        return {}
    try:
        return {entry["image_id"]: _read_entry(entry) for entry in read_json(path)}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} does not hold the words of captions with their log-probabilities"
            f" ({error!r}): generate the captions again."
        ) from None


def _read_entry(entry: dict) -> SaidWords:
    words = [
        (str(word), float(np.exp(log_probability)))
        for word, log_probability in zip(entry["words"], entry["log_probabilities"], strict=True)
    ]
    if "attention" not in entry:
        return SaidWords(words)
    attention = base64.b64decode(entry["attention"], validate=True)
    said = SaidWords(words, attention, float(entry["seen"]))
    if said._side**2 * len(words) != len(attention):
        raise ValueError(f"{len(attention)} bytes are no {len(words)} maps")
    return said
