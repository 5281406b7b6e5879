import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from recap.captions.metrics.bleu import bleu_of_counts
from recap.report.captioning.judge import judge
from recap.report.captioning.study import METRICS
from recap.report.captioning.tables import (
    ScoreRow,
    best_values,
    comparison_csv,
    human_scores,
    metrics_of,
    notes,
    percent,
    score_rows,
    search_in_words,
    summary_text,
)
from recap.report.captioning.verdict import Standing, Verdict
from recap.report.statistics import interval


def test_rows_hold_means_and_deviations(fake):
    rows = score_rows(fake.compared(), seed=0)
    assert [(row.model, row.decoder) for row in rows] == [
        ("lstm", "greedy"),
        ("lstm", "beam3"),
        ("rnn", "greedy"),
        ("rnn", "beam3"),
    ]
    assert rows[0].seeds == 2
    assert rows[0].mean["BLEU-1"] == pytest.approx(0.605)
    assert rows[0].deviation["BLEU-1"] == pytest.approx(0.01 / 2**0.5)
    assert rows[0].mean["METEOR"] is None
    assert rows[0].deviation["METEOR"] is None


def test_scores_that_are_means_over_images_have_intervals(fake):
    row = score_rows(fake.compared(), seed=0)[1]
    assert set(row.interval) == {"ROUGE-L", "CIDEr-D"}
    assert row.interval["ROUGE-L"] == pytest.approx((0.2, 0.2))
    low, high = row.interval["CIDEr-D"]
    assert low < row.mean["CIDEr-D"] < high
    assert (low, high) == pytest.approx(judge(fake.compared(), seed=0).best.interval)


def test_intervals_of_bleu_come_from_counts_that_are_added_up(fake):
    generator = np.random.default_rng(0)
    right = generator.integers(0, 5, size=(4, 20))
    lengths = [[9] * 20, [10] * 20]
    counts = np.vstack([right, right + generator.integers(1, 5, size=(4, 20)), lengths])
    for path in (fake.folder / "scores/lstm").rglob("greedy.json"):
        content = json.loads(path.read_text())
        content["per_image"]["BLEU counts"] = counts.T.tolist()
        path.write_text(json.dumps(content))
    greedy, beam = score_rows(fake.compared(), seed=0)[:2]
    assert set(greedy.interval) == {*METRICS[:4], "ROUGE-L", "CIDEr-D"}
    assert set(beam.interval) == {"ROUGE-L", "CIDEr-D"}
    drawn = generator.integers(20, size=(5_000, 20))
    bleu = bleu_of_counts(counts[:, drawn].sum(axis=2))
    for metric, values in zip(METRICS, bleu, strict=False):
        assert greedy.interval[metric] == pytest.approx(interval(values), abs=0.02)


def test_people_are_scored_by_their_first_captions(fake):
    comparison = fake.compared()
    scores = human_scores(comparison)
    assert set(scores) == {*METRICS} - {"METEOR"}
    # "disc 100 & view 0" against four that end in other numbers: the last word is wrong.
    assert scores["BLEU-1"] == pytest.approx(0.8)
    comparison.references[3][1:] = []
    assert human_scores(comparison) == {}


def test_metrics_that_are_computed_now_and_then_are_shown_where_they_are(fake):
    comparison = fake.compared()
    assert metrics_of(comparison) == list(METRICS)
    comparison.decodings("lstm", "beam3")[0].scores["SPICE"] = 0.2
    assert metrics_of(comparison) == [*METRICS, "SPICE"]
    assert score_rows(comparison, seed=0)[1].mean["SPICE"] is None


def test_csv_holds_full_fractions_and_empty_cells(fake):
    rows = score_rows(fake.compared(), seed=0)
    read = list(
        csv.DictReader(io.StringIO(comparison_csv({"discs": rows}, fake.compared().full_names)))
    )
    assert list(read[0]) == [
        *("data", "model", "decoder", "seeds"),
        *(f"{metric}{kind}" for kind in ("", "_sd", "_low", "_high") for metric in METRICS),
    ]
    assert {row["data"] for row in read} == {"discs"}
    assert float(read[0]["CIDEr-D_low"]) == rows[0].interval["CIDEr-D"][0]
    assert [float(row["CIDEr-D"]) for row in read] == [row.mean["CIDEr-D"] for row in rows]
    assert read[0]["METEOR"] == read[0]["METEOR_sd"] == ""


def test_one_seed_has_no_deviation(fake):
    for path in fake.folder.glob("scores/*/seed1/*.json"):
        path.unlink()
    row = score_rows(fake.compared(), seed=0)[0]
    assert row.seeds == 1
    assert set(row.deviation.values()) == {None}
    (read,) = csv.DictReader(
        io.StringIO(comparison_csv({"discs": [row]}, fake.compared().full_names))
    )
    assert {read[f"{metric}_sd"] for metric in METRICS} == {""}


def make_row(model, **scores):
    blank = dict.fromkeys(METRICS)
    return ScoreRow(model, "greedy", 1, {**blank, **scores}, blank, {})


def test_best_values_tie_where_they_print_alike():
    rows = [make_row("a", METEOR=0.18502), make_row("b", METEOR=0.18498), make_row("c")]
    best = best_values(rows, ["a", "b", "c"])
    assert best["METEOR"] == "18.5"
    assert [percent(row.mean["METEOR"]) for row in rows] == ["18.5", "18.5", "–"]
    assert best["BLEU-1"] is None


def test_neither_a_zero_nor_what_fails_is_the_best():
    rows = [make_row("a", METEOR=0.0004), make_row("b", METEOR=0.2)]
    assert best_values(rows, ["a", "b"])["METEOR"] == "20.0"
    assert best_values(rows, ["a"])["METEOR"] is None
    assert best_values(rows, [])["METEOR"] is None


def test_summary_is_aligned_and_narrow():
    rows = [make_row("a"), make_row("a_model_with_a_name_longer_than_any_terminal" * 2)]
    full_names = {row.model: row.model for row in rows}
    text = summary_text(rows, "Verdict " * 40, ["Remark " * 40], full_names)
    assert max(map(len, text.splitlines())) < 90
    table = text.splitlines()[:4]
    assert {line.index("greedy") for line in table[2:]} == {table[0].index("decoder")}
    assert len({len(line) for line in table}) == 1
    assert table[3].startswith("[2] ")
    assert "".join(text.split("[2]:")[1].split("\n\n")[0].split()) == rows[1].model


def test_models_with_short_names_are_told_in_full():
    full_names = {"a 1": "a-hidden_dim=1", "b": "b"}
    text = summary_text([make_row("a 1"), make_row("b")], "", [], full_names)
    assert text.splitlines()[2].startswith("a 1 ") and "\na 1: a-hidden_dim=1\n\n" in text
    assert "b: " not in text
    rows = list(csv.DictReader(io.StringIO(comparison_csv({"x": [make_row("a 1")]}, full_names))))
    assert rows[0]["model"] == "a-hidden_dim=1"


@pytest.mark.parametrize(
    ("beam", "greedy", "told"),
    [(2.319, 2.424, "lowers the CIDEr-D of a (from 242.4 to 231.9):"), (2.424, 2.319, "")],
)
def test_a_beam_search_that_lowers_the_score_is_told(beam, greedy, told):
    row = make_row("a", **{"CIDEr-D": greedy})
    standing = Standing("a", beam, None, [beam], (0, 9), [""])
    verdict = Verdict("beam3", 300, [standing], [], {})
    assert told in search_in_words([row], verdict)
    assert bool(told) == bool(search_in_words([row], verdict))


def test_means_are_told_of_several_seeds_only():
    row = make_row("a")
    assert summary_text([row], "", [], {"a": "a"}).endswith("Scores are times 100.\n")
    several = [row, replace(row, seeds=2)]
    assert summary_text(several, "", [], {"a": "a"}).endswith(
        "times 100 and means over the seeds.\n"
    )


def test_notes_are_told_once(fake):
    assert notes(fake.compared()) == ["METEOR was not computed: no Java was found"]
