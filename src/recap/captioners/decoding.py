"""Write captions word by word: which words may come next, and the loop that chooses one at a time.

Training draws captions so, to reward them, and evaluation finds them so, greedily or by sampling.
"""

import math
from collections.abc import Callable

import torch

from recap.captioners.stepwise import StepwiseCaptioner
from recap.captions.words import END, NULL, START, UNK

# Takes log-probabilities of the next word (N, V), the rows (N,) that they are of and the number of
# words before it; returns a word a row (N,).
Choose = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]


class AllowedWords:
    """Which words may come next, whatever the search.

    `<NULL>`, `<START>` and `<UNK>` never, `<END>` not at once, nothing but `<END>` after
    `max_words`, and no word that would repeat a phrase of `block_ngrams` words.

    Parameters
    ----------
    idx_to_word : list of V str
        Vocabulary.
    max_words : int
        Words that a caption may have.
    block_ngrams : int
        Length of the phrases that a caption may not repeat; 0 for none.

    Attributes
    ----------
    null, start, end : int
        The numbers of the special words.
    banned : list of int
        The numbers of the words that never come.
    """

    def __init__(self, idx_to_word: list[str], max_words: int, block_ngrams: int = 0):
        self.null, self.start, self.end = map(idx_to_word.index, (NULL, START, END))
        self.banned = banned_tokens(idx_to_word)
        self.max_words = max_words
        self._block_ngrams = block_ngrams

    def mask(self, log_probabilities: torch.Tensor, before: torch.Tensor) -> None:
        """Set the log-probability of every word that may not come next to minus infinity.

        Parameters
        ----------
        log_probabilities : tensor of shape (N, V)
            Changed in place.
        before : tensor of shape (N, L), int64
            The words so far, without `<START>`.
        """
        length = before.shape[1]
        log_probabilities[:, self.banned] = -math.inf
        if length == 0:
            log_probabilities[:, self.end] = -math.inf
        if length == self.max_words:
            log_probabilities[:, : self.end] = -math.inf
            log_probabilities[:, self.end + 1 :] = -math.inf
        if 0 < self._block_ngrams <= length:
            phrases = before.unfold(1, self._block_ngrams, 1)
            latest = before[:, length + 1 - self._block_ngrams :]
            begun = (phrases[..., :-1] == latest[:, None]).all(dim=2)
            rows, places = begun.nonzero(as_tuple=True)
            log_probabilities[rows, phrases[rows, places, -1]] = -math.inf


def banned_tokens(idx_to_word: list[str]) -> list[int]:
    """Return the numbers of the words that no caption has.

    Parameters
    ----------
    idx_to_word : list of str
        Vocabulary.
    """
    return [idx_to_word.index(word) for word in (NULL, START, UNK)]


def decode(
    captioner: StepwiseCaptioner, features: torch.Tensor, allowed: AllowedWords, choose: Choose
) -> tuple[torch.Tensor, torch.Tensor]:
    """Write a caption for each row of features; all rows go on together until they end.

    Parameters
    ----------
    captioner : StepwiseCaptioner
        Says how likely each word is to be next.
    features : tensor of shape (N, ...)
    allowed : AllowedWords
        Masks the words that may not come.
    choose : callable
        See `Choose`; it is asked for the rows that have not ended.

    Returns
    -------
    captions : tensor of shape (N, max_words + 1), int64
        Each one word or more, `<END>`, `<NULL>`s.
    log_probabilities : tensor of shape (N, max_words + 1), float32
        The captioner's, of each word after those before it, and of `<END>`.
    """
    shape, device = (len(features), allowed.max_words + 1), features.device
    captions = torch.full(shape, allowed.null, device=device)
    found = torch.zeros(shape, device=device)
    running = torch.arange(len(features), device=device)
    words = torch.full(shape[:1], allowed.start, device=device)
    state = captioner.first_state(features)
    for length in range(allowed.max_words + 1):
        if not len(running):
            break
        log_probabilities, state = captioner.step(words, state)
        allowed.mask(log_probabilities, captions[running, :length])
        words = choose(log_probabilities, running, length)
        captions[running, length] = words
        found[running, length] = log_probabilities.gather(1, words[:, None])[:, 0].float()
        on = (words != allowed.end).nonzero()[:, 0]
        running, words = running[on], words[on]
        state = tuple(part.index_select(0, on) for part in state)
    return captions, found
