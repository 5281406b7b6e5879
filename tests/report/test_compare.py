"""The whole stage: the files it writes, and what a browser would make of the page."""

import json
import re
import shutil
from html.parser import HTMLParser

import h5py
import pytest

from recap.errors import InputError
from recap.report.compare import compare_captioners
from recap.report.page import data_in_words, duration, features_in_words, interval_strip
from recap.report.verdict import Standing, Verdict

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that what opens is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.text = ""
        self.open = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data

    @property
    def words(self):
        return " ".join(self.text.split())


def compare(fake, output, **choice):
    compare_captioners(
        fake.folder, images=fake.images, annotations=fake.annotations, output=output, **choice
    )
    return (output / "index.html").read_text(encoding="utf-8")


def test_writes_four_files_and_prints_the_summary(fake, tmp_path, capsys):
    compare(fake, tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "comparison.csv",
        "index.html",
        "learning_curves.svg",
        "summary.txt",
    ]
    assert capsys.readouterr().out == (tmp_path / "report/summary.txt").read_text(encoding="utf-8")


def test_same_inputs_same_bytes(fake, tmp_path):
    for name in ("one", "two"):
        compare(fake, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_hostile_captions_are_shown_as_text(fake, hostile_captions, tmp_path):
    page = Page(compare(fake, tmp_path))
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
    for hostile in hostile_captions:
        assert hostile in page.words
    assert "Twenty <drawn> discs" in page.words


def test_names_of_models_and_settings_are_text_too(fake, tmp_path):
    for part in ("models", "captions", "scores"):
        (fake.folder / part / "rnn").rename(fake.folder / part / '<i onclick="x">rnn')
    path = fake.folder / "models/lstm/seed0/config.json"
    config = json.loads(path.read_text())
    config["recipe"]["<script>key"] = "</td><script>value"
    path.write_text(json.dumps(config))
    page = Page(compare(fake, tmp_path / "report"))
    assert page.open == []
    assert not {"i onclick", "script"} & {tag for tag, _ in page.tags}
    assert "</td><script>value" in page.words


def test_no_request_leaves_the_page(fake, tmp_path):
    html = compare(fake, tmp_path)
    page = Page(html)
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/jpeg;base64,", "#")), (tag, value)
    assert re.findall(r"url\((?!#)", html) == []
    assert "@import" not in html
    policies = [a.get("content", "") for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert policies[0].startswith("default-src 'none'")
    assert len(html) < 10_000_000


def test_links_within_the_page_lead_somewhere(fake, tmp_path):
    page = Page(compare(fake, tmp_path))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for t, a in page.tags if t == "a"}
    targets |= {a["aria-describedby"] for _, a in page.tags if "aria-describedby" in a}
    assert targets <= set(ids)


def test_the_page_says_what_was_run(fake, tmp_path):
    words = Page(compare(fake, tmp_path)).words
    assert "20 images, each scored against 5 references" in words
    assert "random weights: they are a random projection" in words
    assert "lstm leads rnn by 20.0 points of CIDEr-D" in words
    assert "METEOR was not computed: no Java was found" in words
    assert "2 min 30 s" in words
    assert "1,234 MB" in words
    assert "learning_rate differs" in words


def test_the_best_of_a_column_is_bold(fake, tmp_path):
    html = compare(fake, tmp_path)
    bold = re.findall(r"<b>([\d.]+)</b>", html)
    assert bold.count("82.6") == 1
    assert "62.6" not in bold


def test_a_study_of_the_least(fake, tmp_path):
    for name in ("benchmarks", "features", "coco_captioning", "scores/rnn"):
        shutil.rmtree(fake.folder / name)
    page = Page(compare(fake, tmp_path / "report"))
    assert page.open == []
    assert "The times of the stages are missing" in page.words
    assert "does not say which backbone" in page.words
    assert "95% bootstrap interval:" not in page.words
    assert "Disagreement" not in page.words


def test_annotations_of_another_split_are_told(fake, tmp_path):
    fake.annotations.write_text('{"images": [], "annotations": []}')
    with pytest.raises(InputError, match=r"captions_val\.json does not list image 100"):
        compare(fake, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_stale_scores_do_not_reach_the_report(fake, tmp_path):
    wanted = {"models": ["lstm", "rnn"], "seeds": [0, 1], "decoders": ["greedy", "beam3"]}
    compare(fake, tmp_path / "clean", **wanted)
    for part in ("models", "captions", "scores"):
        shutil.copytree(fake.folder / part / "rnn", fake.folder / part / "dropped")
        shutil.copytree(fake.folder / part / "lstm/seed1", fake.folder / part / "lstm/seed9")
    for model, seed in [("rnn", 0), ("rnn", 1), ("lstm", 0), ("lstm", 1)]:
        folder = f"{model}/seed{seed}"
        shutil.copy(
            fake.folder / "captions" / folder / "beam3.json",
            fake.folder / "captions" / folder / "beam9.json",
        )
        stale = json.loads((fake.folder / "scores" / folder / "beam3.json").read_text())
        if model == "rnn":
            stale["per_image"]["CIDEr-D"] = [5.0] * len(stale["per_image"]["image_id"])
        (fake.folder / "scores" / folder / "beam9.json").write_text(json.dumps(stale))
    compare(fake, tmp_path / "chosen", **wanted)
    for path in (tmp_path / "clean").iterdir():
        assert path.read_bytes() == (tmp_path / "chosen" / path.name).read_bytes()
    assert (
        "beam search of width 9"
        in Page(compare(fake, tmp_path / "all", models=["rnn", "lstm"])).words
    )


def test_trained_weights_are_named(fake, tmp_path):
    with h5py.File(fake.folder / "coco_captioning/val2014_vgg16_fc7.h5", "a") as file:
        file.attrs["weights"] = "random-looking.pth"
        file.attrs["weights_sha256"] = "5e0f1a"
    words = Page(compare(fake, tmp_path)).words
    assert "vgg16 (fc7), weights random-looking.pth" in words
    assert "weights_sha256 5e0f1a" in words
    assert "random projection" not in words
    assert features_in_words({"backbone": "vgg16"}).endswith("weights unnamed.")


def test_references_that_differ_in_number(fake):
    from recap.annotations import Annotations
    from recap.report.study import read_study

    study = read_study(fake.folder)
    images = [{"id": key, "file_name": ""} for key in study.image_ids]
    captions = [(key, "x") for key in study.image_ids] + [(study.image_ids[0], "y")]
    words = data_in_words(study, Annotations(images, captions, ""))
    assert words == "discs: 20 images, each scored against 1 to 2 references."


def test_durations():
    assert [duration(value) for value in (0.04, 59.94, 59.96, 3599.6, 7500)] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "1 h 00 min",
        "2 h 05 min",
    ]


@pytest.mark.parametrize("interval", [(0.01, 0.03), (-0.01, 0.03), (0.0, 0.0)])
def test_the_strip_keeps_order_and_margins(interval):
    standings = [Standing("a", 0.5, None, 1), Standing("b", 0.4, None, 1)]
    middle = sum(interval) / 2
    strip = interval_strip(Verdict("greedy", 10, standings, middle, interval, {}))
    assert 8 <= strip.low <= strip.middle <= strip.high <= 92
    assert 8 <= strip.zero <= 92
    assert (strip.zero < strip.low) == (interval[0] > 0)


def test_the_settings_of_the_study_are_shown(fake, tmp_path):
    settings = {"dataset": "shapes", "vocabulary": {"size": 10}, "note": "<i>hostile</i>"}
    page = compare(fake, tmp_path / "report", settings=settings)
    assert "<td>shapes</td>" in page
    assert "&#34;size&#34;: 10" in page
    assert "<i>hostile</i>" not in page
