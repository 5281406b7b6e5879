"""Which captioner is better, by how much, and whether the images suffice to say so."""

from dataclasses import dataclass

import numpy as np

from recap.core.text import counted
from recap.evaluation.decoders import read_decoder
from recap.report.captioning.selection import ENSEMBLE
from recap.report.numbers import signed
from recap.report.statistics import LEVEL, Difference, fewest_images


@dataclass(frozen=True)
class Standing:
    """A model's CIDEr-D by the decoder that the verdict is about.

    Attributes
    ----------
    model : str
        Name of the model.
    score : float
        Mean over the seeds, as a fraction.
    deviation : float or None
        Sample standard deviation over the seeds; None for a single seed.
    by_seed : list of float
        The score of each seed.
    interval : tuple of (float, float)
        95% bootstrap interval over the images, of this model alone.
    failures : list of str
        What is wrong with the captions of each seed, as a clause; empty for one that works.
    """

    model: str
    score: float
    deviation: float | None
    by_seed: list[float]
    interval: tuple[float, float]
    failures: list[str]

    @property
    def text(self) -> str:
        """The score times 100, with the deviation over the seeds where there are several."""
        if self.deviation is None:
            return f"{100 * self.score:.1f}"
        return f"{100 * self.score:.1f} ± {100 * self.deviation:.1f}"

    @property
    def failure(self) -> str:
        """What is wrong with a model none of whose seeds works; nothing if one does."""
        return self.failures[0] if all(self.failures) else ""

    @property
    def trainings(self) -> str:
        """The trainings that were scored, for a sentence that speaks of those alone."""
        if self.model.endswith(f" {ENSEMBLE}"):
            return f"the {self.model} of these seeds"
        if len(self.by_seed) == 1:
            return f"this training of {self.model}"
        return f"the mean of these {len(self.by_seed)} trainings of {self.model}"


@dataclass(frozen=True)
class Lead:
    """The best model's lead over another, by CIDEr-D on the same images.

    Attributes
    ----------
    model : str
        Name of the other model.
    difference : Difference
        Best minus other, as fractions: interval and p-value are adjusted for the number of pairs of
        models, because the best was picked by the same scores.
    over_seeds : bool
        Whether the test allows for other seeds, or speaks of these trainings alone.
    won, lost : float
        Share of the images on which the best model has the higher score, and the lower.
    """

    model: str
    difference: Difference
    over_seeds: bool
    won: float
    lost: float

    @property
    def tied(self) -> float:
        """Share of the images on which both have the same score."""
        return max(0.0, 1 - self.won - self.lost)

    @property
    def conclusive(self) -> bool:
        """Whether the test tells the two apart, which is where the interval excludes zero."""
        return self.difference.p_value <= LEVEL

    @property
    def bounded(self) -> bool:
        """Whether there are images enough for an interval."""
        return bool(np.isfinite(self.difference.interval).all())

    @property
    def decimals(self) -> int:
        """How many decimals keep an interval that excludes zero from ending at a printed zero."""
        decimals = 1
        while self.conclusive and 0 in [
            round(100 * end, decimals) for end in self.difference.interval
        ]:
            decimals += 1
        return decimals

    @property
    def difference_text(self) -> str:
        """The difference times 100."""
        return f"{100 * self.difference.mean:.{self.decimals}f}"

    @property
    def interval_text(self) -> tuple[str, str]:
        """The ends of the interval times 100, with their signs."""
        low, high = self.difference.interval
        return signed(low, self.decimals), signed(high, self.decimals)

    @property
    def p_text(self) -> str:
        """The p-value with its sign of relation, never a printed zero."""
        p_value = self.difference.p_value
        if p_value < 0.001:
            return "p < 0.001"
        return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


@dataclass(frozen=True)
class Verdict:
    """The best model against the others, by CIDEr-D.

    Attributes
    ----------
    decoder : str
        Decoder whose captions are compared.
    images : int
        How many images were scored.
    standings : list of Standing
        Every model, the highest score first.
    leads : list of Lead
        The lead of the best model that works over each other that works, in the order of
        `standings`.
    other_leaders : dict of str to str
        By each other decoder that the models share and by which another model is the best: the
        name of that model.
    """

    decoder: str
    images: int
    standings: list[Standing]
    leads: list[Lead]
    other_leaders: dict[str, str]

    @property
    def working(self) -> list[Standing]:
        """The models that do not fail."""
        return [standing for standing in self.standings if not standing.failure]

    @property
    def failing(self) -> list[Standing]:
        """The models that fail."""
        return [standing for standing in self.standings if standing.failure]

    @property
    def best(self) -> Standing:
        """The model that scores highest of those that work, or of all if none does."""
        return [*self.working, *self.standings][0]

    @property
    def pairs(self) -> int:
        """How many comparisons of two models there are."""
        return len(self.working) * (len(self.working) - 1) // 2

    @property
    def too_few_images(self) -> bool:
        """Whether the images are too few for any difference to be significant."""
        return bool(self.leads) and self.images < fewest_images(self.pairs)

    @property
    def title(self) -> str:
        """The verdict as a heading."""
        best = self.best
        if not self.working:
            if len(self.standings) == 1:
                return f"{best.model} fails: {best.failure}"
            return "No winner: every captioner fails"
        if not self.leads:
            if self.failing:
                return f"Only {best.model} works: {self._failing_in_words}"
            subject = best.model if len(best.by_seed) > 1 else best.trainings
            return _sentence(f"{subject} scores {best.text} CIDEr-D")
        if self.too_few_images:
            return "Too few images to tell which captioner is better"
        lead = self.leads[0]
        first, second = self._subjects()
        if not lead.conclusive:
            return _sentence(f"{first} and {second} cannot be told apart by CIDEr-D")
        return _sentence(f"{first} leads {second} by {lead.difference_text} points of CIDEr-D")

    @property
    def text(self) -> str:
        """The verdict in a sentence, and in further ones what weakens it."""
        best = self.best
        with_decoder = f"With {decoder_in_words(self.decoder)},"
        sentences = []
        if not self.leads:
            subject = best.model if len(best.by_seed) > 1 else best.trainings
            if self.working:
                sentences.append(
                    f"{with_decoder} {subject} scores {best.text} CIDEr-D on"
                    f" {counted(self.images, 'image')}."
                )
        else:
            sentences.append(f"{with_decoder} {self._comparison_in_words()}")
        sentences += [
            f"{standing.model} fails, with a CIDEr-D of {standing.text}: {standing.failure}."
            for standing in self.failing
        ]
        if self.failing and self.working:
            sentences.append("What fails is not compared.")
        sentences += [
            f"{count} of the {len(standing.failures)} seeds of {standing.model} fail:"
            f" {next(filter(None, standing.failures))}."
            for standing in self.working
            if (count := sum(map(bool, standing.failures)))
        ]
        if self.other_leaders:
            others = " and ".join(
                f"with {decoder_in_words(decoder)}, {model} scores highest"
                for decoder, model in self.other_leaders.items()
            )
            sentences.append(f"The decoders disagree about which model leads: {others}.")
        return " ".join(sentences)

    def standing_of(self, model: str) -> Standing:
        """Return the standing of a model."""
        return next(standing for standing in self.standings if standing.model == model)

    @property
    def _failing_in_words(self) -> str:
        names = [standing.model for standing in self.failing]
        if len(names) == 1:
            return f"{names[0]} fails"
        return f"{' and '.join(names) if len(names) == 2 else f'the {len(names)} others'} fail"

    def _subjects(self) -> tuple[str, str]:
        """Return what the verdict is about: two models, or two of their trainings alone."""
        first, second = self.best, self.standing_of(self.leads[0].model)
        if self.leads[0].over_seeds:
            return first.model, second.model
        one_each = [f"this training of {item.model}" == item.trainings for item in (first, second)]
        return first.trainings, f"that of {second.model}" if all(one_each) else second.trainings

    def _comparison_in_words(self) -> str:
        best, lead = self.best, self.leads[0]
        runner_up = self.standing_of(lead.model)
        first, second = self._subjects()
        images = counted(self.images, "image")
        spread = ""
        if best.deviation is not None or runner_up.deviation is not None:
            spread = " (mean ± standard deviation over the seeds)"
        scores = f"{first} scores {best.text} CIDEr-D and {second} {runner_up.text}{spread}"
        if self.too_few_images:
            return (
                f"{scores} on {images}: too few to tell which is better, because even a lead on"
                f" every image could be chance. At least {fewest_images(self.pairs)} are needed to"
                f" compare {len(self.working)} captioners."
            )
        low, high = lead.interval_text
        conclusion = (
            "which excludes zero"
            if lead.conclusive
            else "which includes zero, so that these data cannot tell the two apart"
        )
        drawn = f"over seeds and {images}" if lead.over_seeds else f"over {images}"
        adjusted = ""
        if self.pairs > 1:
            adjusted = (
                f" (adjusted for the {self.pairs} pairs of {len(self.working)} models of which"
                " these two were picked)"
            )
        caveat = ""
        if not lead.over_seeds:
            caveat = " Other seeds may turn out otherwise: this is about these trainings alone."
        return (
            f"{scores}: a difference of {lead.difference_text}, with a 95% interval {drawn} from"
            f" {low} to {high}{adjusted}, {conclusion}.{caveat}"
        )


def _sentence(text: str) -> str:
    """Return a heading with a capital, which the name of a model does not get."""
    return text[0].upper() + text[1:] if text.startswith(("this ", "the ")) else text


def decoder_in_words(decoder: str) -> str:
    """Return what a decoder is called in a sentence."""
    return read_decoder(decoder).in_words
