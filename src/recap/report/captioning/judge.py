"""Compare the captioners of a study: which leads, and whether that is more than chance."""

from dataclasses import replace

import numpy as np

from recap.core.errors import InputError
from recap.evaluation.decoders import decoder_order
from recap.report.captioning.comparison import Comparison
from recap.report.captioning.failures import failures
from recap.report.captioning.verdict import Lead, Standing, Verdict
from recap.report.statistics import (
    compare_over_images,
    compare_over_seeds,
    fewest_images,
    interval,
    mean_and_deviation,
    resampled_means,
    variance_of_seeds,
)

TIE = 1e-9  # a difference in CIDEr-D that is none but for rounding


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

    Models of several seeds are compared over seeds and images, so that the verdict is about the
    models; others are compared over the images, so that it is about these trainings. Models whose
    captions fail are not compared.
    """
    decoder, *other_decoders = shared_decoders(comparison)
    scores = {
        model: np.stack([item.cider for item in comparison.decodings(model, decoder)])
        for model in comparison.models
    }
    verdict = judge_scores(scores, failures(comparison, decoder), decoder=decoder, seed=seed)
    working = [standing.model for standing in verdict.working]
    leaders = {}
    for other in other_decoders:
        means = {model: values.mean() for model, values in by_image(comparison, other).items()}
        leaders[other] = max(working, key=means.__getitem__, default=verdict.best.model)
    return replace(
        verdict,
        other_leaders={
            other: model for other, model in leaders.items() if model != verdict.best.model
        },
    )


def judge_scores(
    scores: dict[str, np.ndarray], failing: dict[str, list[str]], *, decoder: str, seed: int
) -> Verdict:
    """Return the verdict about scores of one decoder.

    Parameters
    ----------
    scores : dict of str to ndarray of shape (S, N), float64
        Of each model the CIDEr-D of its S seeds on the N images.
    failing : dict of str to list of str
        What is wrong with the captions of each model's seeds, as `failures` returns it.
    decoder : str
        Name of the decoder.
    seed : int
        Seed of the bootstrap and of the permutations.
    """
    means = {model: values.mean(axis=0) for model, values in scores.items()}
    models = sorted(scores, key=lambda model: -means[model].mean())
    resampled = resampled_means(np.stack([means[model] for model in models]), seed=seed)
    standings = []
    for column, model in enumerate(models):
        by_seed = scores[model].mean(axis=1).tolist()
        ends = interval(resampled[:, column])
        standings.append(
            Standing(model, *mean_and_deviation(by_seed), by_seed, ends, failing[model])
        )
    verdict = Verdict(decoder, len(means[models[0]]), standings, [], {})
    best, *others = [standing.model for standing in verdict.working] or [models[0]]
    if not others:
        return verdict
    differences = np.stack([means[best] - means[other] for other in others])
    tested = compare_over_images(differences, comparisons=verdict.pairs, seed=seed)
    enough = verdict.images >= fewest_images(verdict.pairs)
    compared = [scores[model] for model in (best, *others)]
    leads = []
    for other, margins, over_images in zip(others, differences, tested, strict=True):
        over_seeds = enough and min(len(scores[best]), len(scores[other])) > 1
        leads.append(
            Lead(
                model=other,
                difference=compare_over_seeds(
                    scores[best],
                    scores[other],
                    variance_of_seeds(compared),
                    comparisons=verdict.pairs,
                )
                if over_seeds
                else over_images,
                over_seeds=over_seeds,
                won=float((margins > TIE).mean()),
                lost=float((margins < -TIE).mean()),
            )
        )
    return replace(verdict, leads=leads)


def by_image(comparison: Comparison, decoder: str) -> dict[str, np.ndarray]:
    """Return each model's CIDEr-D of the N images, averaged over its seeds, shape (N,)."""
    return {
        model: np.mean([item.cider for item in comparison.decodings(model, decoder)], axis=0)
        for model in comparison.models
    }
