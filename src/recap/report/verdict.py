"""Which captioner is better, by how much, and whether the images suffice to say so."""

from dataclasses import dataclass

import numpy as np

from recap.decoders import beam_width
from recap.errors import InputError
from recap.report.statistics import bootstrap_interval, mean_and_deviation
from recap.report.study import Study, decoder_order


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
    seeds : int
        How many seeds.
    """

    model: str
    score: float
    deviation: float | None
    seeds: int

    @property
    def text(self) -> str:
        """The score times 100, with the deviation over the seeds where there are several."""
        if self.deviation is None:
            return f"{100 * self.score:.1f}"
        return f"{100 * self.score:.1f} ± {100 * self.deviation:.1f}"


@dataclass(frozen=True)
class Verdict:
    """The best model against the runner-up, by CIDEr-D.

    Attributes
    ----------
    decoder : str
        Decoder whose captions are compared.
    images : int
        How many images were scored.
    standings : list of Standing
        Every model, the best first.
    difference : float
        Best minus runner-up, as a fraction; 0 for a single model.
    interval : tuple of (float, float)
        95% bootstrap interval of the difference over the images.
    other_leaders : dict of str to str
        By each other decoder that the models share and by which another model is the best: the
        name of that model.
    """

    decoder: str
    images: int
    standings: list[Standing]
    difference: float
    interval: tuple[float, float]
    other_leaders: dict[str, str]

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
    def title(self) -> str:
        """The verdict as a heading."""
        best, *others = (standing.model for standing in self.standings)
        if not others:
            return f"{best} scores {self.standings[0].text} CIDEr-D"
        if not self.conclusive:
            return f"{best} and {others[0]} cannot be told apart by CIDEr-D"
        return f"{best} leads {others[0]} by {self.difference_text} points of CIDEr-D"

    @property
    def text(self) -> str:
        """The verdict in a sentence, and in further ones what weakens it."""
        best = self.standings[0]
        opening = f"With {decoder_in_words(self.decoder)}, {best.model} scores {best.text} CIDEr-D"
        one_seed = all(standing.seeds == 1 for standing in self.standings)
        if len(self.standings) == 1:
            caveat = " (one seed: other seeds may differ)" if one_seed else ""
            return f"{opening} on {self.images:,} images{caveat}."
        runner_up = self.standings[1]
        low, high = self.interval_text
        conclusion = (
            "which excludes zero"
            if self.conclusive
            else "which includes zero, so that these data cannot tell the two apart"
        )
        spread = ""
        if best.deviation is not None or runner_up.deviation is not None:
            spread = " (mean ± standard deviation over the seeds)"
        caveat = " (one seed each: other seeds may differ)" if one_seed else ""
        sentences = [
            f"{opening} and {runner_up.model} {runner_up.text}{spread}: a difference of"
            f" {self.difference_text}, with a 95% bootstrap interval over {self.images:,}"
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
    if beam_width(decoder) > 1:
        return f"beam search of width {beam_width(decoder)}"
    return f"{decoder} decoding"


def shared_decoders(study: Study) -> list[str]:
    """Return the decoders by which every model was scored, the widest beam first.

    Raises
    ------
    InputError
        If there is none.
    """
    shared = set.intersection(*(set(study.decoders(model)) for model in study.models))
    if not shared:
        raise InputError(
            f"{study.folder / 'scores'} holds no decoder that all models share: score them all by"
            " `greedy`, or remove the models that are not to be compared."
        )
    return sorted(shared, key=decoder_order, reverse=True)


def judge(study: Study, *, seed: int) -> Verdict:
    """Compare the best model with the runner-up by CIDEr-D, on the same images.

    The scores of each image are averaged over a model's seeds first. The interval tells how the
    difference would vary with other images; it does not tell how it would vary with other seeds.

    Parameters
    ----------
    study : Study
        What was scored.
    seed : int
        Seed of the bootstrap.
    """
    decoder, *other_decoders = shared_decoders(study)
    standings = _standings(study, decoder)
    difference = np.zeros(len(study.image_ids))
    if len(standings) > 1:
        first, second = (
            np.mean([decoding.cider for decoding in study.decodings(standing.model, decoder)], 0)
            for standing in standings[:2]
        )
        difference = first - second
    leaders = {other: _standings(study, other)[0].model for other in other_decoders}
    return Verdict(
        decoder=decoder,
        images=len(study.image_ids),
        standings=standings,
        difference=float(difference.mean()),
        interval=bootstrap_interval(difference, seed=seed),
        other_leaders={
            other: model for other, model in leaders.items() if model != standings[0].model
        },
    )


def _standings(study: Study, decoder: str) -> list[Standing]:
    """Return how every model stands by a decoder, the best first."""
    standings = []
    for model in study.models:
        scores = [float(decoding.cider.mean()) for decoding in study.decodings(model, decoder)]
        standings.append(Standing(model, *mean_and_deviation(scores), len(scores)))
    return sorted(standings, key=lambda standing: -standing.score)
