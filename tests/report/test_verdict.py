import json
import shutil

import numpy as np
import pytest

from recap.errors import InputError
from recap.report.verdict import Lead, Standing, Verdict, judge, shared_decoders


def shift(folder, model, amounts, decoder="*"):
    """Add to a model's CIDEr-D of each image, by every seed and decoder or by one decoder."""
    for path in (folder / "scores" / model).rglob(f"{decoder}.json"):
        content = json.loads(path.read_text())
        values = np.array(content["per_image"]["CIDEr-D"]) + amounts
        content["per_image"]["CIDEr-D"] = values.tolist()
        content["scores"]["CIDEr-D"] = float(values.mean())
        path.write_text(json.dumps(content))


def test_a_clear_lead(fake):
    verdict = judge(fake.compared(), seed=0)
    assert verdict.decoder == "beam3"
    assert [standing.model for standing in verdict.standings] == ["lstm", "rnn"]
    (lead,) = verdict.leads
    assert lead.difference == pytest.approx(0.2)
    assert 0 < lead.interval[0] < 0.2 < lead.interval[1]
    assert lead.conclusive
    assert lead.p_value < 0.01
    assert lead.won > 0.8 > 0.2 > lead.lost
    assert lead.p_text == "p < 0.001"
    assert "excludes zero" in verdict.text
    assert verdict.title == "lstm leads rnn by 20.0 points of CIDEr-D"


def test_no_lead_is_called_none(make_fake):
    verdict = judge(make_fake(0.003).compared(), seed=0)
    (lead,) = verdict.leads
    assert lead.interval[0] < 0 < lead.interval[1]
    assert not lead.conclusive
    assert lead.p_value > 0.1
    assert "cannot tell the two apart" in verdict.text
    assert "cannot be told apart" in verdict.title
    assert "from −" in verdict.text


def test_images_are_paired(fake):
    """How hard an image is for both models does not widen the interval."""
    narrow = judge(fake.compared(), seed=0).leads[0]
    hardness = np.linspace(-3, 3, 20)
    for model in ("rnn", "lstm"):
        shift(fake.folder, model, hardness)
    same = judge(fake.compared(), seed=0).leads[0]
    assert same.interval == pytest.approx(narrow.interval)
    assert same.p_value == narrow.p_value


def test_wins_ties_and_losses(fake):
    scores = {"lstm": [1.0] * 20, "rnn": [0.5] * 10 + [1.0] * 6 + [2.0] * 4}
    for model, values in scores.items():
        for path in (fake.folder / "scores" / model).rglob("*.json"):
            content = json.loads(path.read_text())
            content["per_image"]["CIDEr-D"] = values
            path.write_text(json.dumps(content))
    (lead,) = judge(fake.compared(), seed=0).leads
    assert (lead.model, lead.won, lead.lost) == ("rnn", 0.5, 0.2)
    assert lead.tied == pytest.approx(0.3)


def test_seeds_are_averaged_and_their_deviation_is_told(fake):
    comparison = fake.compared()
    best = judge(comparison, seed=0).best
    scores = [item.scores["CIDEr-D"] for item in comparison.decodings("lstm", "beam3")]
    assert best.score == pytest.approx(np.mean(scores))
    assert best.deviation == pytest.approx(abs(scores[1] - scores[0]) / np.sqrt(2))
    assert best.by_seed == pytest.approx(scores)
    assert best.interval[0] < best.score < best.interval[1]
    assert best.text.endswith("± 0.7")


def test_a_model_alone_has_its_score_only(fake):
    shutil.rmtree(fake.folder / "scores/rnn")
    verdict = judge(fake.compared(), seed=0)
    assert len(verdict.standings) == 1
    assert verdict.text.startswith("With beam search of width 3, lstm scores")
    assert "interval" not in verdict.text


def test_of_three_the_best_meets_the_runner_up(fake):
    for part in ("models", "captions", "scores"):
        shutil.copytree(fake.folder / part / "lstm", fake.folder / part / "attention")
    shift(fake.folder, "attention", 0.5)
    verdict = judge(fake.compared(), seed=0)
    assert [item.model for item in verdict.standings] == ["attention", "lstm", "rnn"]
    assert [lead.model for lead in verdict.leads] == ["lstm", "rnn"]
    assert verdict.leads[0].difference == pytest.approx(0.5)
    assert verdict.leads[1].difference == pytest.approx(0.7)
    assert "These two were picked as the best of 3 models" in verdict.text
    assert "picked" not in judge(fake.compared(models=["rnn", "lstm"]), seed=0).text


def test_one_seed_each_is_told(fake):
    study = fake.compared(seeds=[1])
    assert "excludes zero (one seed each: other seeds may differ)." in judge(study, seed=0).text
    alone = fake.compared(models=["rnn"], seeds=[1])
    assert "images (one seed: other seeds may differ)." in judge(alone, seed=0).text
    assert "may differ" not in judge(fake.compared(), seed=0).text


def test_decoders_that_disagree_are_told(fake):
    assert "disagree" not in judge(fake.compared(), seed=0).text
    shift(fake.folder, "rnn", 0.5, decoder="greedy")
    verdict = judge(fake.compared(), seed=0)
    assert verdict.other_leaders == {"greedy": "rnn"}
    assert verdict.text.endswith(
        "The decoders disagree about which model leads: with greedy decoding, rnn scores highest."
    )


def test_the_widest_shared_decoder_is_compared(fake):
    for seed in (0, 1):
        (fake.folder / f"scores/rnn/seed{seed}/beam3.json").unlink()
    assert shared_decoders(fake.compared()) == ["greedy"]
    for seed in (0, 1):
        (fake.folder / f"scores/lstm/seed{seed}/greedy.json").unlink()
    with pytest.raises(InputError, match="The models of discs have no decoder in common"):
        judge(fake.compared(), seed=0)


def verdict_of(images, *ends):
    standings = [Standing("a", 0.61, None, [0.61], (0, 1)), Standing("b", 0.6, None, [0.6], (0, 1))]
    lead = Lead("b", sum(ends) / 2, ends, 0.04, 0.5, 0.4)
    return Verdict("greedy", images, standings, [lead], {})


def test_an_interval_that_touches_zero_includes_it():
    verdict = verdict_of(5, 0.0, 0.02)
    assert not verdict.leads[0].conclusive
    assert "from +0.0 to +2.0, which includes zero" in verdict.text


def test_an_interval_without_zero_does_not_print_one():
    verdict = verdict_of(5000, 0.00031, 0.00389)
    assert verdict.leads[0].interval_text == ("+0.03", "+0.39")
    assert verdict.title == "a leads b by 0.21 points of CIDEr-D"
