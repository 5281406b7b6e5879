"""The whole stage: the files it writes, and what a browser would make of the page."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import h5py
import pytest

from recap.captions.encode import LEARNT_FROM
from recap.core.errors import InputError
from recap.datasets.annotations import Annotations
from recap.report.captioning.anchors import ANCHORS, same_images
from recap.report.captioning.chapter import data_in_words, features_in_words
from recap.report.captioning.compare import compare_captioners
from recap.report.captioning.study import read_study

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
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data

    @property
    def words(self):
        return " ".join(self.text.split())


def compare(fake, output, **choice):
    compare_captioners(fake.folder, output=output, **choice)
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


def test_the_folder_of_pictures_is_there_also_where_all_lie_in_the_page(fake, tmp_path):
    compare(fake, tmp_path / "report", gallery="all")
    assert list((tmp_path / "report/photos").iterdir()) == []


def test_same_inputs_same_bytes(fake, tmp_path):
    for name in ("one", "two"):
        compare(fake, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_hostile_captions_are_shown_as_text(fake, hostile_captions, tmp_path):
    page = Page(compare(fake, tmp_path))
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("script") == 1
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
    config["versions"]["<script>key"] = "1"
    config["validation"] = "</td><script>value"
    path.write_text(json.dumps(config))
    page = Page(compare(fake, tmp_path / "report"))
    assert page.open == []
    assert "i" not in {tag for tag, _ in page.tags}
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "</td><script>value" in page.words


def test_no_request_leaves_the_page(fake, tmp_path):
    html = compare(fake, tmp_path)
    page = Page(html)
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/webp;base64,", "#")), (tag, value)
    # The script names a picture that the page has.
    assert re.findall(r'url\((?!#|"\$\{photo\.src\})', html) == []
    assert "@import" not in html
    policies = [a.get("content", "") for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert policies[0].startswith("default-src 'none'")
    script = html[html.rindex("<script>") + 8 : html.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policies[0]
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
    scores = html[html.index('<table class="scores"') : html.index("</table>")]
    bold = re.findall(r"<b>([\d.]+)</b>", scores)
    assert bold.count("82.6") == 1
    assert "62.6" not in bold


def test_a_study_of_the_least(fake, tmp_path):
    for name in ("benchmarks", "features", "coco_captioning", "scores/rnn", "models"):
        shutil.rmtree(fake.folder / name)
    record = json.loads((fake.folder / "provenance.json").read_text())
    record |= {"train_annotations": None, "categories": None, "images": "../gone.zip"}
    (fake.folder / "provenance.json").write_text(json.dumps(record))
    page = Page(compare(fake, tmp_path / "report"))
    assert page.open == []
    assert "The times of the stages are missing" in page.words
    assert "does not say which backbone" in page.words
    assert "holds no training histories" in page.words
    assert "photos are not at hand, so that only words are shown" in page.words
    assert "Is it real?" not in page.words
    assert "By what is in the image" not in page.words
    assert "won by" not in page.words


def test_no_study_at_all_is_told(tmp_path):
    with pytest.raises(InputError, match="No study is given"):
        compare_captioners(output=tmp_path / "report")


def test_two_studies_on_one_page(make_fake, tmp_path):
    fakes = [make_fake(0.2, "one"), make_fake(0.4, "two")]
    compare_captioners(*(fake.folder for fake in fakes), output=tmp_path / "same")
    page = Page((tmp_path / "same/index.html").read_text(encoding="utf-8"))
    assert "two: lstm leads one: lstm by 20.0 points of CIDEr-D" in page.words
    assert (tmp_path / "same/comparison.csv").read_text().count("one and two,") == 8

    content = json.loads(fakes[1].annotations.read_text())
    content["annotations"][0]["caption"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(content))
    record = json.loads((fakes[1].folder / "provenance.json").read_text())
    (fakes[1].folder / "provenance.json").write_text(
        json.dumps(record | {"annotations": "../other.json"})
    )
    compare_captioners(*(fake.folder for fake in fakes), output=tmp_path / "apart")
    page = Page((tmp_path / "apart/index.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert "one, two: side by side" in page.words
    assert "only scores on the same images can be compared" in page.words
    assert "lstm leads rnn by 20.0 points" in page.words
    assert "lstm leads rnn by 40.0 points" in page.words
    summary = (tmp_path / "apart/summary.txt").read_text(encoding="utf-8")
    assert summary.count("Scores are times 100") == 2


def test_several_seeds_are_told_by_their_spread(fake, tmp_path):
    words = Page(compare(fake, tmp_path / "apart")).words
    assert "Their seeds do not overlap: lstm from" in words
    for path in fake.folder.glob("scores/rnn/seed1/*.json"):
        content = json.loads(path.read_text())
        values = [value + 0.5 for value in content["per_image"]["CIDEr-D"]]
        content["per_image"]["CIDEr-D"] = values
        path.write_text(json.dumps(content))
    assert "Their seeds overlap: " in Page(compare(fake, tmp_path / "overlap")).words


def test_captioners_that_fail_are_told_of_and_nothing_is_bold(fake, tmp_path):
    for path in fake.folder.glob("captions/*/*/*.json"):
        captions = json.loads(path.read_text())
        path.write_text(json.dumps([entry | {"caption": "a a a a"} for entry in captions]))
    html = compare(fake, tmp_path)
    page = Page(html)
    assert page.open == []
    assert "No winner: every captioner fails" in page.words
    assert "it gives one caption, “a a a a”, to 20 of 20 images" in page.words
    assert "<b>" not in html
    assert "Is it real?" not in page.words
    assert "No winner" in (tmp_path / "summary.txt").read_text(encoding="utf-8")


def test_of_too_few_images_nothing_is_bold(fake, tmp_path):
    for path in fake.folder.glob("scores/*/*/*.json"):
        content = json.loads(path.read_text())
        of_five = {name: values[:5] for name, values in content["per_image"].items()}
        path.write_text(json.dumps(content | {"per_image": of_five}))
    html = compare(fake, tmp_path)
    assert "Too few images to tell which captioner is better" in Page(html).words
    assert "<b>" not in html


def test_photos_that_were_learnt_from_are_told(fake, tmp_path):
    path = fake.folder / "coco_captioning/coco2014_captions.h5"
    with h5py.File(path, "w") as file:
        file["val_image_idxs"] = [0]
    assert "training photos" not in Page(compare(fake, tmp_path / "apart")).words
    with h5py.File(path, "a") as file:
        file["val_image_idxs"].attrs[LEARNT_FROM] = 7
    words = Page(compare(fake, tmp_path / "same")).words
    assert "7 of the 20 scored photos are training photos, too" in words


def test_what_trainings_warned_of_is_told_once(fake, tmp_path):
    for path in fake.folder.glob("models/*/*/config.json"):
        config = json.loads(path.read_text()) | {"warnings": ["the epoch is chosen on 3 captions"]}
        path.write_text(json.dumps(config))
    words = Page(compare(fake, tmp_path)).words
    assert words.count("lstm, rnn: the epoch is chosen on 3 captions.") == 1


def test_the_summary_says_where_the_lead_comes_from(fake, tmp_path):
    words = Page(compare(fake, tmp_path)).words
    assert re.search(r"Image by image, lstm scores higher on \d+% and rnn on \d+%", words)
    assert re.search(
        r"By a t test over seeds and images, the difference is significant \(p = 0\.\d+\)", words
    )
    assert re.search(r"lstm is furthest ahead on “(disc|<ring>)” \(\+\d", words)
    assert "100% differ from each other and 100% are in no training caption" in words


def test_perplexities_are_told(fake, tmp_path):
    assert "Perplexity" not in Page(compare(fake, tmp_path / "without")).words
    for model, values in {"lstm": (5.0, 6.0), "rnn": (7.0, 9.0)}.items():
        for seed, value in enumerate(values):
            path = fake.folder / f"captions/{model}/seed{seed}/perplexity.json"
            path.write_text(json.dumps({"perplexity": value}))
    words = Page(compare(fake, tmp_path / "with")).words
    assert "The references have a perplexity of 5.50 under lstm and of 8.00 under rnn." in words
    assert "5.50 ± 0.71" in words


def test_files_are_listed_with_their_checksums(fake, tmp_path):
    html = compare(fake, tmp_path)
    checksum = hashlib.sha256(fake.annotations.read_bytes()).hexdigest()
    assert html.count(f"<code>{checksum}</code>") == 1
    words = Page(html).words
    assert "photos of val12.0 kB5d1e" in words
    assert "What went in: 4 files" in words
    assert "What came out: 26 files" in words


def test_published_scores_say_whether_they_compare(fake, tmp_path):
    html = compare(fake, tmp_path)
    scores, _, published = html.partition("of other images: not comparable")
    assert published.count("show_tell, README") == 2
    assert "show_tell, README" not in scores
    # They come after what the study's own images tell.
    assert html.index('id="c1-sure"') < html.index('id="c1-gallery"') < len(scores)
    flickr = next(anchor for anchor in ANCHORS if anchor.dataset == "flickr8k")
    assert same_images(flickr, {"dataset": "flickr8k"}, 1000)
    assert not same_images(flickr, {"dataset": "flickr8k"}, 999)
    coco = next(anchor for anchor in ANCHORS if "Karpathy" in anchor.split)
    assert same_images(coco, {"dataset": "coco2014", "split": "karpathy"}, 5000)
    assert not same_images(coco, {"dataset": "coco2014", "split": "official"}, 40504)
    assert not same_images(coco, {}, 1000)
    chosen = next(anchor for anchor in ANCHORS if "authors" in anchor.split)
    assert not same_images(chosen, {"dataset": "coco2014", "split": "karpathy"}, 5000)


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
    with h5py.File(fake.folder / "coco_captioning/val2014_vgg16_fc7_pca.h5", "a") as file:
        file.attrs["weights"] = "random-looking.pth"
        file.attrs["weights_sha256"] = "5e0f1a"
    words = Page(compare(fake, tmp_path)).words
    assert "vgg16 (fc7), weights random-looking.pth" in words
    assert "weights_sha256 5e0f1a" in words
    assert "random projection" not in words
    with h5py.File(fake.folder / "coco_captioning/val2014_vgg16_fc7_pca.h5", "a") as file:
        del file.attrs["weights"]
    assert features_in_words(read_study(fake.folder)).endswith("weights unnamed.")


def test_references_that_differ_in_number(fake):
    comparison = fake.compared()
    images = [{"id": key, "file_name": ""} for key in comparison.image_ids]
    captions = [(key, "x") for key in comparison.image_ids] + [(comparison.image_ids[0], "y")]
    words = data_in_words(replace(comparison, annotations=Annotations(images, captions, "")))
    assert words == "discs: 20 images, each scored against 1 to 2 references."


def test_the_settings_of_the_study_are_shown(fake, tmp_path):
    page = compare(fake, tmp_path / "report")
    assert "<td>discs</td>" in page
    assert "&#34;size&#34;: 10" in page
    assert "<i>hostile</i>" not in page
    assert "&lt;i&gt;hostile&lt;/i&gt;" in page
