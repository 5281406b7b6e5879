"""Which captioner is better, by how much, and whether the images suffice to say so."""

from dataclasses import dataclass

import numpy as np

from recap.decoders import read_decoder
from recap.errors import InputError
from recap.report.comparison import Comparison
from recap.report.statistics import (
    holm,
    interval,
    mean_and_deviation,
    permutation_p_values,
    resampled_means,
)
from recap.report.study import decoder_order

TIE = 1e-9  # a difference in CIDEr-D that is none but for rounding


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
        95% bootstrap interval over the images.
    """

    model: str
    score: float
    deviation: float | None
    by_seed: list[float]
    interval: tuple[float, float]

    @property
    def text(self) -> str:
        """The score times 100, with the deviation over the seeds where there are several."""
        if self.deviation is None:
            return f"{100 * self.score:.1f}"
        return f"{100 * self.score:.1f} ± {100 * self.deviation:.1f}"


@dataclass(frozen=True)
class Lead:
    """The best model's lead over another, by CIDEr-D on the same images.

    Attributes
    ----------
    model : str
        Name of the other model.
    difference : float
        Best minus other, as a fraction.
    interval : tuple of (float, float)
        95% bootstrap interval of the difference over the images.
    p_value : float
        Of the paired permutation test over the images, adjusted by Holm for how many models the
        best is held against.
    won, lost : float
        Share of the images on which the best model has the higher score, and the lower.
    """

    model: str
    difference: float
    interval: tuple[float, float]
    p_value: float
    won: float
    lost: float

    @property
    def tied(self) -> float:
        """Share of the images on which both have the same score."""
        return max(0.0, 1 - self.won - self.lost)

    @property
    def conclusive(self) -> bool:
        """Whether the interval excludes zero."""
        low, high = self.interval
        return low > 0 or high < 0

    @property
    def decimals(self) -> int:
        """How many decimals keep an interval that excludes zero from ending at a printed zero."""
        decimals = 1
        while self.conclusive and 0 in [round(100 * end, decimals) for end in self.interval]:
            decimals += 1
        return decimals

    @property
    def difference_text(self) -> str:
        """The difference times 100."""
        return f"{100 * self.difference:.{self.decimals}f}"

    @property
    def interval_text(self) -> tuple[str, str]:
        """The ends of the interval times 100, with their signs."""
        low, high = (f"{100 * end:+.{self.decimals}f}" for end in self.interval)
        return low.replace("-", "−"), high.replace("-", "−")

    @property
    def p_text(self) -> str:
        """The p-value with its sign of relation, never a printed zero."""
        if self.p_value < 0.001:
            return "p < 0.001"
        return f"p = {self.p_value:.3f}" if self.p_value < 0.1 else f"p = {self.p_value:.2f}"


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
        Every model, the best first.
    leads : list of Lead
        The best model's lead over each other, in the order of `standings`.
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
    def best(self) -> Standing:
        """The model that scores highest."""
        return self.standings[0]

    @property
    def title(self) -> str:
        """The verdict as a heading."""
        if not self.leads:
            return f"{self.best.model} scores {self.best.text} CIDEr-D"
        lead = self.leads[0]
        if not lead.conclusive:
            return f"{self.best.model} and {lead.model} cannot be told apart by CIDEr-D"
        return f"{self.best.model} leads {lead.model} by {lead.difference_text} points of CIDEr-D"

    @property
    def text(self) -> str:
        """The verdict in a sentence, and in further ones what weakens it."""
        best = self.best
        opening = f"With {decoder_in_words(self.decoder)}, {best.model} scores {best.text} CIDEr-D"
        one_seed = all(len(standing.by_seed) == 1 for standing in self.standings)
        if not self.leads:
            caveat = " (one seed: other seeds may differ)" if one_seed else ""
            return f"{opening} on {self.images:,} images{caveat}."
        runner_up, lead = self.standings[1], self.leads[0]
        low, high = lead.interval_text
        conclusion = (
            "which excludes zero"
            if lead.conclusive
            else "which includes zero, so that these data cannot tell the two apart"
        )
        spread = ""
        if best.deviation is not None or runner_up.deviation is not None:
            spread = " (mean ± standard deviation over the seeds)"
        caveat = " (one seed each: other seeds may differ)" if one_seed else ""
        sentences = [
            f"{opening} and {runner_up.model} {runner_up.text}{spread}: a difference of"
            f" {lead.difference_text}, with a 95% bootstrap interval over {self.images:,}"
            f" images from {low} to {high}, {conclusion}{caveat}."
        ]
        if len(self.standings) > 2:
            sentences.append(
                f"These two were picked as the best of {len(self.standings)} models by the same"
                " scores, so that the lead may look surer than it is."
            )
        if self.other_leaders:
            others = " and ".join(
                f"with {decoder_in_words(decoder)}, {model} scores highest"
                for decoder, model in self.other_leaders.items()
            )
            sentences.append(f"The decoders disagree about which model leads: {others}.")
        return " ".join(sentences)


def decoder_in_words(decoder: str) -> str:
    """Return what a decoder is called in a sentence."""
    return read_decoder(decoder).in_words


def shared_decoders(comparison: Comparison) -> list[str]:
    """Return the decoders by which every model was scored, the widest beam first.

    Raises
    ------
    InputError
        If there is none.
    """
    shared = set.intersection(*(set(comparison.decoders(model)) for model in comparison.models))
    if not shared:
        raise InputError(
            f"The models of {comparison.name} have no decoder in common: score them all by"
            " `greedy`, or remove the models that are not to be compared."
        )
    return sorted(shared, key=decoder_order, reverse=True)


def judge(comparison: Comparison, *, seed: int) -> Verdict:
    """Compare the best model with the others by CIDEr-D, on the same images.

    The scores of each image are averaged over a model's seeds first. Interval and test tell how
    the difference would vary with other images; they do not tell how it would vary with other
    seeds.

    Parameters
    ----------
    comparison : Comparison
        What was scored.
    seed : int
        Seed of the bootstrap and of the permutations.
    """
    decoder, *other_decoders = shared_decoders(comparison)
    scores = by_image(comparison, decoder)
    models = sorted(scores, key=lambda model: -scores[model].mean())
    values = np.stack([scores[model] for model in models])
    resampled = resampled_means(values, seed=seed)
    standings = []
    for column, model in enumerate(models):
        by_seed = [float(item.cider.mean()) for item in comparison.decodings(model, decoder)]
        ends = interval(resampled[:, column])
        standings.append(Standing(model, *mean_and_deviation(by_seed), by_seed, ends))
    differences = values[0] - values[1:]
    p_values = holm(permutation_p_values(differences, seed=seed)) if len(models) > 1 else []
    leads = [
        Lead(
            model=model,
            difference=float(difference.mean()),
            interval=interval(resampled[:, 0] - resampled[:, column]),
            p_value=float(p_value),
            won=float((difference > TIE).mean()),
            lost=float((difference < -TIE).mean()),
        )
        for column, (model, difference, p_value) in enumerate(
            zip(models[1:], differences, p_values, strict=True), 1
        )
    ]
    leaders = {}
    for other in other_decoders:
        means = {model: values.mean() for model, values in by_image(comparison, other).items()}
        leaders[other] = max(means, key=means.__getitem__)
    return Verdict(
        decoder=decoder,
        images=len(comparison.image_ids),
        standings=standings,
        leads=leads,
        other_leaders={other: model for other, model in leaders.items() if model != models[0]},
    )


def by_image(comparison: Comparison, decoder: str) -> dict[str, np.ndarray]:
    """Return each model's CIDEr-D of the N images, averaged over its seeds, shape (N,)."""
    return {
        model: np.mean([item.cider for item in comparison.decodings(model, decoder)], axis=0)
        for model in comparison.models
    }
