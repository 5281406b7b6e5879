"""Find captions with a captioner: greedily, by beam search, or by sampling."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from recap.captioners.decoding import AllowedWords, Choose, decode
from recap.captioners.stepwise import StepwiseCaptioner
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
    others : tuple of FoundCaption
        The next best captions of a beam search, best first, as many as were asked for.
    """

    words: list[int]
    log_probabilities: list[float]
    others: tuple["FoundCaption", ...] = ()

    @property
    def log_probability(self) -> float:
        """The log-probability of the whole caption, its `<END>` too."""
        return sum(self.log_probabilities)


@torch.inference_mode()
def search_captions(
    captioner: StepwiseCaptioner,
    features: torch.Tensor,
    idx_to_word: list[str],
    decoder: Decoder,
    *,
    first_row: int = 0,
    max_words: int = MAX_WORDS,
    best: int = 1,
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
    best : int
        Captions an image, the best ones; more than one only of a beam that is as wide. There are
        fewer where there are not so many captions.

    Returns
    -------
    list of N FoundCaption

    Raises
    ------
    InputError
        If the beam is narrower than `best`.
    """
    decoder.require_best(best)
    allowed = AllowedWords(idx_to_word, max_words, decoder.block_ngrams)
    if decoder.beam_width > 1:
        captions, log_probabilities = _beam_search(captioner, features, allowed, decoder, best)
    else:
        choose = _sampler(features, decoder, first_row, max_words) if decoder.sample else _likeliest
        captions, log_probabilities = decode(captioner, features, allowed, choose)
        captions, log_probabilities = captions[:, None], log_probabilities[:, None]
    found = []
    for rows, values in zip(captions.tolist(), log_probabilities.tolist(), strict=True):
        lengths = [row.index(allowed.end) for row in rows]
        first, *others = [
            FoundCaption(row[:length], value[: length + 1])
            for row, value, length in zip(rows, values, lengths, strict=True)
            # A row that begins with its end is none: there were fewer captions.
            if length
        ]
        found.append(replace(first, others=tuple(others)))
    return found


def _likeliest(log_probabilities: torch.Tensor, rows: torch.Tensor, length: int) -> torch.Tensor:
    return log_probabilities.argmax(dim=1)


def _sampler(features: torch.Tensor, decoder: Decoder, first_row: int, max_words: int) -> Choose:
    """Return a function that draws words, from a random stream of its own for each image."""
    chances = np.stack(
        [
            np.random.default_rng([decoder.seed, first_row + row]).random(max_words + 1)
            for row in range(len(features))
        ]
    )
    chances = torch.from_numpy(chances).to(features.device, torch.float32)

    def choose(log_probabilities: torch.Tensor, rows: torch.Tensor, length: int) -> torch.Tensor:
        return _draw(log_probabilities, chances[rows, length], decoder.temperature, decoder.nucleus)

    return choose


def _draw(
    log_probabilities: torch.Tensor, chance: torch.Tensor, temperature: float, nucleus: float
) -> torch.Tensor:
    """Draw a word for each row, from the likeliest that together have the nucleus' probability.

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
    allowed: AllowedWords,
    decoder: Decoder,
    best: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find for each of N images the B captions with the highest scores, by beam search.

    The score is the log-probability over the length, `<END>` counted, to the power of the length
    penalty. At each step the K likeliest partial captions of an image go on; those of the K best
    candidates that end are complete. An image is done when no partial caption can still beat the
    B-th best complete one: a log-probability only falls, so the score of a partial caption is
    bounded by what it would be if the rest were certain. Returned are what `decode` returns, of
    shape (N, B, ...) and best first, with `<END>` after a caption to the end of its row.
    """
    width, power = decoder.beam_width, decoder.length_penalty
    count, device = len(features), features.device
    max_words = allowed.max_words
    best_scores = torch.full((count, best), -math.inf, device=device)
    best_captions = torch.full((count, best, max_words + 1), allowed.end, device=device)
    best_log_probabilities = torch.zeros((count, best, max_words + 1), device=device)

    images = torch.arange(count, device=device)
    state = captioner.first_state(features)
    words = torch.full((count,), allowed.start, device=device)
    before = torch.zeros((count, 1, 0), dtype=torch.long, device=device)
    before_values = torch.zeros((count, 1, 0), device=device)
    scores = torch.zeros((count, 1), device=device)
    for length in range(max_words + 1):
        log_probabilities, state = captioner.step(words, state)
        allowed.mask(log_probabilities, before.flatten(0, 1))
        # The best of all are among the best of each partial caption. Of 2K candidates at most K
        # end, so that K are left to go on.
        values, words = log_probabilities.topk(min(2 * width, log_probabilities.shape[1]), dim=1)
        values, words = (part.view(*scores.shape, -1) for part in (values, words))
        totals, top = (
            (scores[..., None] + values).flatten(1).topk(min(2 * width, values[0].numel()), dim=1)
        )
        beams = top // values.shape[2]
        values, words = values.flatten(1).gather(1, top), words.flatten(1).gather(1, top)
        ends = words == allowed.end

        final = totals[:, :width].masked_fill(~ends[:, :width], -math.inf) / (length + 1) ** power
        better = (final.amax(dim=1) > best_scores[images, -1]).nonzero()[:, 0]
        winners, beam = images[better], beams[better, : final.shape[1], None]
        ended = torch.full((*beam.shape[:2], max_words + 1), allowed.end, device=device)
        ended[..., :length] = before[better].take_along_dim(beam, 1)
        ended_values = torch.zeros(ended.shape, device=device)
        ended_values[..., :length] = before_values[better].take_along_dim(beam, 1)
        ended_values[..., length] = values[better, : final.shape[1]]
        # A stable sort: of equal scores, the one that was found first.
        together = torch.cat([best_scores[winners], final[better]], dim=1)
        order = together.argsort(dim=1, descending=True, stable=True)[:, :best]
        best_scores[winners] = together.gather(1, order)
        for kept, new in ((best_captions, ended), (best_log_probabilities, ended_values)):
            kept[winners] = torch.cat([kept[winners], new], dim=1).take_along_dim(
                order[..., None], 1
            )

        # A stable sort puts the candidates that go on first, in the order of their scores.
        going_on = ends.int().argsort(dim=1, stable=True)[:, :width]
        scores = totals.gather(1, going_on).masked_fill(ends.gather(1, going_on), -math.inf)
        left = (scores[:, 0] / (max_words + 1) ** power > best_scores[images, -1]).nonzero()[:, 0]
        if length == max_words or not len(left):
            break
        going_on, scores, images = going_on[left], scores[left], images[left]
        beams, words, values = (part[left].gather(1, going_on) for part in (beams, words, values))
        rows = left[:, None] * before.shape[1] + beams
        before = torch.cat([before.flatten(0, 1)[rows], words[..., None]], dim=2)
        before_values = torch.cat([before_values.flatten(0, 1)[rows], values[..., None]], dim=2)
        state = tuple(part.index_select(0, rows.flatten()) for part in state)
        words = words.flatten()

    return best_captions, best_log_probabilities
