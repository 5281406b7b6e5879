"""Equal captioners hardly ever lead, however many and on however few images; better ones do."""

import numpy as np
import pytest

from recap.report import statistics
from recap.report.captioning import judge

DRAWS = 200
MOST = 16  # an exact test at 5% exceeds it in 2% of trials; over 2,000 draws it was 4.0 to 5.2%


def draw_scores(generator, models, seeds, images, *, gain=0.0, of_seeds=0.0):
    """Return scores such as CIDEr-D's: skewed, some zero, hard images hard for all."""
    shape = (models, seeds, images)
    scores = generator.gamma(0.8, 0.7, size=images) * generator.gamma(1.5, 1 / 1.5, size=shape)
    scores *= generator.random(shape) > 0.1
    scores *= 1 + of_seeds * generator.standard_normal((models, seeds, 1))
    scores[0] *= 1 + gain
    return {f"m{number}": values for number, values in enumerate(scores)}


def draw_verdicts(monkeypatch, *args, draws=DRAWS, **options):
    """Return what is concluded from each draw, which heading, sentence and table must share."""
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    # The intervals of single models take half the time and are not asked about.
    monkeypatch.setattr(judge, "resampled_means", lambda values, seed: values.mean(axis=1)[None])
    generator = np.random.default_rng(5)
    for number in range(draws):
        scores = draw_scores(generator, *args, **options)
        verdict = judge.judge_scores(
            scores, {name: [""] for name in scores}, decoder="greedy", seed=number
        )
        for lead in verdict.leads:
            low, high = lead.difference.interval
            assert lead.conclusive == (low > 0 or high < 0)
        runner_up = verdict.leads[0]
        assert (" leads " in verdict.title) == runner_up.conclusive
        assert ("excludes zero" in verdict.text) == runner_up.conclusive
        yield verdict


@pytest.mark.parametrize("images", [8, 50, 300])
@pytest.mark.parametrize("models", [2, 6])
def test_equal_trainings_hardly_ever_lead(monkeypatch, models, images):
    found = list(draw_verdicts(monkeypatch, models, 1, images))
    assert sum(any(lead.conclusive for lead in verdict.leads) for verdict in found) <= MOST
    few = images < statistics.fewest_images(models * (models - 1) // 2)
    assert {verdict.title.startswith("Too few images to tell") for verdict in found} == {few}


@pytest.mark.parametrize(
    ("models", "seeds", "of_seeds"), [(2, 2, 0.3), (2, 3, 0.1), (2, 3, 0.3), (6, 3, 0.3)]
)
def test_equal_models_of_several_seeds_hardly_ever_lead(monkeypatch, models, seeds, of_seeds):
    """Even where seeds differ as much as models may."""
    found = draw_verdicts(monkeypatch, models, seeds, 50, of_seeds=of_seeds)
    assert sum(any(lead.conclusive for lead in verdict.leads) for verdict in found) <= MOST


@pytest.mark.parametrize(("models", "seeds"), [(2, 1), (6, 1), (2, 3)])
def test_a_better_model_leads(monkeypatch, models, seeds):
    options = {"gain": 0.9, "of_seeds": 0.01, "draws": 40}
    found = list(draw_verdicts(monkeypatch, models, seeds, 300, **options))
    assert sum(verdict.leads[0].conclusive for verdict in found) >= 36
    assert all(verdict.best.model == "m0" for verdict in found if verdict.leads[0].conclusive)
