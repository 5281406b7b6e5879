import json
import shutil

import numpy as np
import pytest

from recap.core.errors import InputError
from recap.report.captioning.judge import judge, judge_scores, shared_decoders
from recap.report.captioning.verdict import Lead, Standing, Verdict
from recap.report.statistics import Difference


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
    assert lead.difference.mean == pytest.approx(0.2)
    assert 0 < lead.difference.interval[0] < 0.2 < lead.difference.interval[1]
    assert lead.conclusive
    assert lead.difference.p_value < 0.02
    assert lead.won > 0.8 > 0.2 > lead.lost
    assert lead.over_seeds
    assert "over seeds and 20 images" in verdict.text
    assert "excludes zero" in verdict.text
    assert verdict.title == "lstm leads rnn by 20.0 points of CIDEr-D"


def test_no_lead_is_called_none(make_fake):
    verdict = judge(make_fake(0.003).compared(), seed=0)
    (lead,) = verdict.leads
    assert lead.difference.interval[0] < 0 < lead.difference.interval[1]
    assert not lead.conclusive
    assert lead.difference.p_value > 0.1
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
    assert same.difference.interval == pytest.approx(narrow.difference.interval)
    assert same.difference.p_value == pytest.approx(narrow.difference.p_value)


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
    assert verdict.leads[0].difference.mean == pytest.approx(0.5)
    assert verdict.leads[1].difference.mean == pytest.approx(0.7)
    assert "adjusted for the 3 pairs of 3 models of which these two were picked" in verdict.text
    assert "picked" not in judge(fake.compared(models=["rnn", "lstm"]), seed=0).text


def test_of_one_seed_each_the_verdict_is_about_these_trainings(fake):
    verdict = judge(fake.compared(seeds=[1]), seed=0)
    assert verdict.title.startswith("This training of lstm leads that of rnn by ")
    assert "with a 95% interval over 20 images" in verdict.text
    assert "this is about these trainings alone" in verdict.text
    assert verdict.leads[0].p_text == "p < 0.001"
    alone = judge(fake.compared(models=["rnn"], seeds=[1]), seed=0)
    assert alone.title.startswith("This training of rnn scores ")
    several = judge(fake.compared(), seed=0)
    assert "training" not in several.title + several.text


def test_what_has_several_seeds_meets_what_has_one(fake):
    for part in ("models", "captions", "scores"):
        shutil.rmtree(fake.folder / part / "rnn/seed1")
        shutil.copytree(fake.folder / part / "rnn/seed0", fake.folder / part / "rnn/ensemble")
    shift(fake.folder, "rnn", -0.2)
    for path in (fake.folder / "scores/rnn/seed0").iterdir():
        (fake.folder / "scores/rnn/ensemble" / path.name).write_bytes(path.read_bytes())
    verdict = judge(fake.compared(), seed=0)
    assert not any(lead.over_seeds for lead in verdict.leads)
    assert verdict.title.startswith("The mean of these 2 trainings of lstm leads ")
    names = {standing.trainings for standing in verdict.standings[1:]}
    assert names == {"this training of rnn", "the rnn ensemble of these seeds"}


def test_seeds_that_vary_leave_a_lead_open(fake):
    assert judge(fake.compared(), seed=0).leads[0].conclusive
    for seed, amount in enumerate([-0.3, 0.3]):
        for path in (fake.folder / f"scores/lstm/seed{seed}").iterdir():
            content = json.loads(path.read_text())
            content["per_image"]["CIDEr-D"] = [
                value + amount for value in content["per_image"]["CIDEr-D"]
            ]
            path.write_text(json.dumps(content))
    verdict = judge(fake.compared(), seed=0)
    assert verdict.leads[0].difference.mean == pytest.approx(0.2)
    assert "cannot be told apart" in verdict.title


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


def verdict_of(images, low, high, p_value):
    standings = [
        Standing("a", 0.61, None, [0.61], (0, 1), [""]),
        Standing("b", 0.6, None, [0.6], (0, 1), [""]),
    ]
    sure = Difference((low + high) / 2, (low, high), p_value)
    return Verdict("greedy", images, standings, [Lead("b", sure, False, 0.5, 0.4)], {})


def test_an_interval_that_touches_zero_includes_it():
    verdict = verdict_of(50, 0.0, 0.02, 0.051)
    assert not verdict.leads[0].conclusive
    assert "from +0.0 to +2.0, which includes zero" in verdict.text


def test_an_interval_without_zero_does_not_print_one():
    verdict = verdict_of(5000, 0.00031, 0.00389, 0.02)
    assert verdict.leads[0].interval_text == ("+0.03", "+0.39")
    assert verdict.title == "This training of a leads that of b by 0.21 points of CIDEr-D"


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize(("models", "images"), [(2, 5), (3, 6)])
def test_few_images_tell_nothing(models, images, seeds):
    scores = {f"m{number}": np.full((seeds, images), 1.0 + number) for number in range(models)}
    verdict = judge_scores(
        scores, {name: [""] * seeds for name in scores}, decoder="greedy", seed=0
    )
    assert verdict.title == "Too few images to tell which captioner is better"
    assert f"At least {images + 1} are needed to compare {models} captioners." in verdict.text
    assert not any(lead.conclusive or lead.bounded for lead in verdict.leads)


@pytest.mark.parametrize(("models", "images"), [(2, 6), (3, 7)])
def test_as_many_images_as_are_needed_tell(models, images):
    scores = {f"m{number}": np.full((2, images), 1.0 + number) for number in range(models)}
    verdict = judge_scores(scores, {name: [""] * 2 for name in scores}, decoder="greedy", seed=0)
    assert verdict.title == f"m{models - 1} leads m{models - 2} by 100.0 points of CIDEr-D"
    assert all(lead.over_seeds for lead in verdict.leads)


def judged(failing):
    scores = {name: np.linspace(0, 1, 20)[None] + 0.1 * place for place, name in enumerate("abc")}
    return judge_scores(
        scores, {name: [failing.get(name, "")] for name in scores}, decoder="greedy", seed=0
    )


def test_there_is_no_winner_among_failures():
    verdict = judged(dict.fromkeys("abc", "it gives one caption, “a a”, to 20 of 20 images"))
    assert verdict.title == "No winner: every captioner fails"
    assert verdict.leads == []
    assert verdict.text.count("fails, with a CIDEr-D of") == 3


def test_what_fails_is_not_compared():
    verdict = judged({"c": "its captions repeat"})
    assert verdict.title.startswith("This training of b leads that of a by 10.0")
    assert [lead.model for lead in verdict.leads] == ["a"]
    assert verdict.best.model == "b"
    assert "c fails, with a CIDEr-D of 70.0: its captions repeat." in verdict.text
    assert judged(dict.fromkeys("bc", "x")).title == "Only a works: c and b fail"
    assert judged({"a": "x", "c": "x"}).leads == []


def test_a_model_that_fails_alone_says_why():
    scores = {"a": np.zeros((2, 9))}
    verdict = judge_scores(scores, {"a": ["it says nothing"] * 2}, decoder="greedy", seed=0)
    assert verdict.title == "a fails: it says nothing"
    half = judge_scores(scores, {"a": ["it says nothing", ""]}, decoder="greedy", seed=0)
    assert half.title == "a scores 0.0 ± 0.0 CIDEr-D"
    assert "1 of the 2 seeds of a fail: it says nothing." in half.text
