"""Find captions with a captioner: greedily, by beam search, or by sampling."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from recap.captioners.stepwise import StepwiseCaptioner
from recap.captions.words import END, NULL, START, UNK
from recap.evaluation.decoders import Decoder

MAX_WORDS = 30


@dataclass(frozen=True)
class FoundCaption:
    """A caption as a search found it.

    Attributes
    ----------
    words : list of L int
        Word numbers, without `<START>` and `<END>`; at least one.
    log_probabilities : list of L + 1 float
        The captioner's log-probability of each word after those before it, and of `<END>`.
    """

    words: list[int]
    log_probabilities: list[float]

    @property
    def log_probability(self) -> float:
        """The log-probability of the whole caption, its `<END>` too."""
        return sum(self.log_probabilities)


class Choices:
    """Which words may come next, whatever the search.

    `<NULL>`, `<START>` and `<UNK>` never, `<END>` not at once, nothing but `<END>` after
    `max_words`, and no word that would repeat a phrase of `block_ngrams` words.

    Parameters
    ----------
    idx_to_word : list of V str
        Vocabulary.
    block_ngrams : int
        Length of the phrases that a caption may not repeat; 0 for none.
    max_words : int
        Words that a caption may have.
    """

    def __init__(self, idx_to_word: list[str], block_ngrams: int, max_words: int):
        self.start, self.end = idx_to_word.index(START), idx_to_word.index(END)
        self._forbidden = [idx_to_word.index(word) for word in (NULL, START, UNK)]
        self._block_ngrams = block_ngrams
        self._max_words = max_words

    def allow(self, log_probabilities: torch.Tensor, spoken: torch.Tensor) -> None:
        """Set the log-probability of every word that may not come next to minus infinity.

        Parameters
        ----------
        log_probabilities : tensor of shape (N, V)
            Changed in place.
        spoken : tensor of shape (N, L), int64
            The words so far.
        """
        length = spoken.shape[1]
        log_probabilities[:, self._forbidden] = -math.inf
        if length == 0:
            log_probabilities[:, self.end] = -math.inf
        if length == self._max_words:
            log_probabilities[:, : self.end] = -math.inf
            log_probabilities[:, self.end + 1 :] = -math.inf
        if 0 < self._block_ngrams <= length:
            phrases = spoken.unfold(1, self._block_ngrams, 1)
            latest = spoken[:, length + 1 - self._block_ngrams :]
            begun = (phrases[..., :-1] == latest[:, None]).all(dim=2)
            rows, places = begun.nonzero(as_tuple=True)
            log_probabilities[rows, phrases[rows, places, -1]] = -math.inf


@torch.inference_mode()
def search_captions(
    captioner: StepwiseCaptioner,
    features: torch.Tensor,
    idx_to_word: list[str],
    decoder: Decoder,
    *,
    first_row: int = 0,
    max_words: int = MAX_WORDS,
) -> list[FoundCaption]:
    """Find a caption for each image; all images go through the search together.

    Every caption has a word, holds no special word, and ends: `<END>` is forced after
    `max_words`.

    Parameters
    ----------
    captioner : StepwiseCaptioner
        Says how likely each word is to be next.
    features : tensor of shape (N, ...)
        A row an image.
    idx_to_word : list of V str
        Vocabulary.
    decoder : Decoder
        How to search.
    first_row : int
        The number of the first image among all that are captioned. What is sampled depends on the
        seed and the image's number alone, however the images are cut into batches.
    max_words : int
        Words that a caption may have.

    Returns
    -------
    list of N FoundCaption
    """
    choices = Choices(idx_to_word, decoder.block_ngrams, max_words)
    if decoder.beam_width > 1:
        return _beam_search(captioner, features, choices, decoder, max_words)
    chances = None
    if decoder.sample:
        chances = torch.from_numpy(
            np.stack(
                [
                    np.random.default_rng([decoder.seed, first_row + row]).random(max_words + 1)
                    for row in range(len(features))
                ]
            )
        ).to(features.device, torch.float32)
    return _write(captioner, features, choices, decoder, chances)


def _write(
    captioner: StepwiseCaptioner,
    features: torch.Tensor,
    choices: Choices,
    decoder: Decoder,
    chances: torch.Tensor | None,
) -> list[FoundCaption]:
    """Write one caption an image, word by word: the likeliest word, or one drawn by chance."""
    count, device = len(features), features.device
    found: list[FoundCaption | None] = [None] * count
    images = torch.arange(count, device=device)
    state = captioner.first_state(features)
    words = torch.full((count,), choices.start, device=device)
    spoken = torch.zeros((count, 0), dtype=torch.long, device=device)
    said = torch.zeros((count, 0), device=device)
    while len(images):
        log_probabilities, state = captioner.step(words, state)
        choices.allow(log_probabilities, spoken)
        if chances is None:
            words = log_probabilities.argmax(dim=1)
        else:
            chance = chances[images, spoken.shape[1]]
            words = _draw(log_probabilities, chance, decoder.temperature, decoder.nucleus)
        said = torch.cat([said, log_probabilities.gather(1, words[:, None])], dim=1)
        ends = words == choices.end
        _keep(found, images[ends], spoken[ends], said[ends])
        on = (~ends).nonzero()[:, 0]
        spoken = torch.cat([spoken[on], words[on, None]], dim=1)
        images, words, said = images[on], words[on], said[on]
        state = tuple(part[on] for part in state)
    return found


def _draw(
    log_probabilities: torch.Tensor, chance: torch.Tensor, temperature: float, nucleus: float
) -> torch.Tensor:
    """Draw a word a row from the likeliest words that together have the nucleus' probability.

    A. Holtzman et al., "The curious case of neural text degeneration", ICLR 2020.
    """
    probabilities = (log_probabilities / temperature).softmax(dim=1)
    probabilities, words = probabilities.sort(dim=1, descending=True, stable=True)
    before = probabilities.cumsum(dim=1) - probabilities
    # The likeliest word is always in; those without a probability never are.
    probabilities[:, 1:] *= before[:, 1:] < nucleus
    total = probabilities.cumsum(dim=1)
    rank = torch.searchsorted(total, chance[:, None] * total[:, -1:], right=True)
    last = (probabilities > 0).sum(dim=1, keepdim=True) - 1
    return words.gather(1, rank.minimum(last))[:, 0]


def _beam_search(
    captioner: StepwiseCaptioner,
    features: torch.Tensor,
    choices: Choices,
    decoder: Decoder,
    max_words: int,
) -> list[FoundCaption]:
    """Find for each image the caption with the highest score that a beam meets.

    The score is the log-probability over the length, `<END>` counted, to the power of the length
    penalty. At each step the K likeliest partial captions of an image go on; those of the K best
    candidates that end are complete. An image is done when no partial caption can still beat the
    best complete one: a log-probability only falls, so the score of a partial caption is bounded
    by what it would be if the rest were certain.
    """
    width, power = decoder.beam_width, decoder.length_penalty
    count, device = len(features), features.device
    found: list[FoundCaption | None] = [None] * count
    best = torch.full((count,), -math.inf, device=device)
    best_spoken = torch.zeros((count, max_words), dtype=torch.long, device=device)
    best_said = torch.zeros((count, max_words + 1), device=device)
    best_length = torch.zeros(count, dtype=torch.long, device=device)

    images = torch.arange(count, device=device)
    state = captioner.first_state(features)
    words = torch.full((count,), choices.start, device=device)
    spoken = torch.zeros((count, 1, 0), dtype=torch.long, device=device)
    said = torch.zeros((count, 1, 0), device=device)
    scores = torch.zeros((count, 1), device=device)
    for length in range(max_words + 1):
        log_probabilities, state = captioner.step(words, state)
        choices.allow(log_probabilities, spoken.flatten(0, 1))
        # The best of all are among the best of each partial caption. Of 2K candidates at most K
        # end, so that K are left to go on.
        values, words = log_probabilities.topk(min(2 * width, log_probabilities.shape[1]), dim=1)
        values, words = (part.view(*scores.shape, -1) for part in (values, words))
        totals, top = (
            (scores[..., None] + values).flatten(1).topk(min(2 * width, values[0].numel()), dim=1)
        )
        beams = top // values.shape[2]
        values, words = values.flatten(1).gather(1, top), words.flatten(1).gather(1, top)
        ends = words == choices.end

        final = totals[:, :width].masked_fill(~ends[:, :width], -math.inf) / (length + 1) ** power
        score, rank = final.max(dim=1)
        better = (score > best[images]).nonzero()[:, 0]
        rank, winners = rank[better], images[better]
        best[winners] = score[better]
        best_length[winners] = length
        best_spoken[winners, :length] = spoken[better, beams[better, rank]]
        best_said[winners, :length] = said[better, beams[better, rank]]
        best_said[winners, length] = values[better, rank]

        # A stable sort puts the candidates that go on first, in the order of their scores.
        going_on = ends.int().argsort(dim=1, stable=True)[:, :width]
        scores = totals.gather(1, going_on).masked_fill(ends.gather(1, going_on), -math.inf)
        left = (scores[:, 0] / (max_words + 1) ** power > best[images]).nonzero()[:, 0]
        if length == max_words or not len(left):
            break
        going_on, scores, images = going_on[left], scores[left], images[left]
        beams, words, values = (part[left].gather(1, going_on) for part in (beams, words, values))
        rows = left[:, None] * spoken.shape[1] + beams
        spoken = torch.cat([spoken.flatten(0, 1)[rows], words[..., None]], dim=2)
        said = torch.cat([said.flatten(0, 1)[rows], values[..., None]], dim=2)
        state = tuple(part[rows.flatten()] for part in state)
        words = words.flatten()

    _keep(found, torch.arange(count), best_spoken, best_said, best_length)
    return found


def _keep(
    found: list[FoundCaption | None],
    images: torch.Tensor,
    spoken: torch.Tensor,
    said: torch.Tensor,
    lengths: torch.Tensor | None = None,
) -> None:
    """Put complete captions in their images' places; a length says where a row ends."""
    rows = zip(images.tolist(), spoken.tolist(), said.tolist(), strict=True)
    for row, (image, words, log_probabilities) in enumerate(rows):
        length = len(words) if lengths is None else int(lengths[row])
        found[image] = FoundCaption(words[:length], log_probabilities[: length + 1])
