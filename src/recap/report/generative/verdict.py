"""Which GAN's pictures are nearest to real ones, in a sentence."""

import numpy as np
from scipy.stats import ttest_ind

from recap.report.generative.study import Training
from recap.report.statistics import LEVEL, mean_and_deviation


def distances(trainings: list[Training]) -> list[float]:
    """Return the Fréchet distance of each training of a GAN."""
    return [training.scores["gan"]["frechet_distance"] for training in trainings]


def has_failed(trainings: list[Training]) -> bool:
    """Return whether a training lost its discriminator, or makes one class alone."""
    return any(
        training.config["lost"] or training.scores["gan"]["collapsed"] for training in trainings
    )


def verdict(groups: list[list[Training]]) -> tuple[str, str]:
    """Return the page's heading, and what is said below it.

    Parameters
    ----------
    groups : list of list of Training
        A list a GAN.
    """
    working = [group for group in groups if not has_failed(group)]
    scores = groups[0][0].scores
    beside = (
        f"{scores['floor_images']:,} training images in place of samples come to"
        f" {scores['floor']['frechet_distance']:.1f}, which is the floor."
    )
    if not working:
        return "All GANs have failed", beside
    ranked = sorted(working, key=lambda group: np.mean(distances(group)))
    best = ranked[0]
    mean, _ = mean_and_deviation(distances(best))
    if len(ranked) == 1:
        return f"{best[0].gan} comes to a Fréchet distance of {mean:.1f}", beside
    second, _ = mean_and_deviation(distances(ranked[1]))
    found = (
        f"Its Fréchet distance to the test images is {mean:.1f}; that of {ranked[1][0].gan}, the"
        f" next, is {second:.1f}. {beside}"
    )
    if min(map(len, ranked)) == 1:
        title = f"This training of {best[0].gan} makes the pictures nearest to real ones"
        return title, f"{found} One seed tells nothing of how far trainings differ by chance."
    # Of logarithms: what seeds differ by grows with the distance.
    p_values = [
        float(ttest_ind(*map(np.log, map(distances, (best, other))), equal_var=False).pvalue)
        for other in ranked[1:]
    ]
    # Bonferroni: one of several GANs is the nearest by chance, too.
    p_value = min(1.0, max(p_values) * len(p_values))
    if p_value <= LEVEL:
        return f"{best[0].gan} makes the pictures nearest to real ones", (
            f"{found} Over {len(best)} seeds the difference is more than chance (Welch's test of"
            f" the logarithms, adjusted for {len(p_values)} comparisons: p = {p_value:.2g})."
        )
    return "No GAN leads beyond what seeds differ by", (
        f"{best[0].gan} has the lowest mean, {mean:.1f}, and {ranked[1][0].gan} the next,"
        f" {second:.1f}; Welch's test of the logarithms, adjusted for {len(p_values)} comparisons,"
        f" gives p = {p_value:.2g}. {beside}"
    )
