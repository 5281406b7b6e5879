"""Scores equal pycocoevalcap's with its Java tokenizer, and bad input is told in a sentence."""

import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from java_tokenizer import JAVA, needs_java
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from recap.core.errors import InputError
from recap.evaluation.scoring import java, meteor
from recap.evaluation.scoring.references import PreparedReferences
from recap.evaluation.scoring.score import compute_scores, score_captions

REFERENCES = {
    3: ["A black dog runs on the grass .", "The dog (a black one) runs.", "a dog"],
    1: ["Two people can't stand on a snow-covered hill.", "Two hikers, in the U.S., rest"],
    7: ['A café\'s sign reads "OPEN" at 10:30 p.m.', "An open sign — lit", "sign"],
    4: ["a boy in a red shirt jumps over a puddle of water", "boy jumping"],
}
CAPTIONS = {
    7: "an open café sign",
    1: "two people on a snow-covered hill",
    3: "a black dog runs on the beach .",
    4: "a boy in a red shirt jumps over a fence",
}
METRICS = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D"]


@pytest.fixture
def no_java(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java, "find_spec", lambda name: None)


def score(captions, references, **options):
    return compute_scores(captions, PreparedReferences(references), **options)


def write_files(folder, captions, references):
    """Write a results file of (image, caption) pairs and an annotation file; return the paths."""
    results, annotations = folder / "results.json", folder / "annotations.json"
    results.write_text(
        json.dumps([{"image_id": image, "caption": caption} for image, caption in captions])
    )
    images = [{"id": image, "file_name": f"{image}.jpg"} for image in references]
    entries = [
        {"image_id": image, "caption": text}
        for image, texts in references.items()
        for text in texts
    ]
    annotations.write_text(json.dumps({"images": images, "annotations": entries}))
    return results, annotations


def assert_equal_to_official(captions, references, with_meteor=False):
    """Hold scores against pycocoevalcap's; every line of the official pipeline is run."""
    scores = score(captions, references, meteor=with_meteor)
    images = [image for image in references if image in captions]
    ascending = np.argsort(images)
    tokenizer = PTBTokenizer()
    truths = tokenizer.tokenize(
        {image: [{"caption": text} for text in references[image]] for image in images}
    )
    hypotheses = tokenizer.tokenize({image: [{"caption": captions[image]}] for image in images})
    official = {}
    corpus, per_image = Bleu(4).compute_score(truths, hypotheses, verbose=0)
    for n in range(4):
        official[f"BLEU-{n + 1}"] = corpus[n], per_image[n]
    scorers = {"ROUGE-L": Rouge(), "CIDEr-D": Cider()} | (
        {"METEOR": Meteor()} if with_meteor else {}
    )
    for name, scorer in scorers.items():
        official[name] = scorer.compute_score(truths, hypotheses)
    for name, (wanted, wanted_per_image) in official.items():
        assert scores["scores"][name] == pytest.approx(wanted, rel=0, abs=1e-12), name
        np.testing.assert_allclose(
            scores["per_image"][name],
            np.asarray(wanted_per_image)[ascending],
            rtol=0,
            atol=1e-12,
            err_msg=name,
        )
    return scores


@pytest.fixture
def official_java(monkeypatch):
    """Let pycocoevalcap find the Java that recap finds."""
    monkeypatch.setenv("PATH", str(Path(JAVA).parent), prepend=os.pathsep)


@needs_java
@pytest.mark.slow
def test_equals_pycocoevalcap_with_its_java_programs(official_java):
    scores = assert_equal_to_official(CAPTIONS, REFERENCES, with_meteor=True)
    assert 0 < scores["scores"]["METEOR"] < 1
    assert scores["notes"] == []


@needs_java
@pytest.mark.parametrize(
    "captions",
    [
        {**CAPTIONS, 3: "", 4: " . "},
        dict.fromkeys(REFERENCES, ""),
        dict.fromkeys(REFERENCES, "dog"),
        {image: texts[0] for image, texts in REFERENCES.items()},
        {image: f"{texts[0]} {texts[0]}" for image, texts in REFERENCES.items()},
        {1: "zwei Männer", 3: "ein Hund 🐕 läuft", 4: "少年 跳ぶ", 7: "Café öffnet — naïve"},
        {3: "a black dog"},
    ],
    ids=["some empty", "empty", "one word", "repeated", "doubled", "non-ASCII", "one image"],
)
def test_equals_pycocoevalcap_on_odd_captions(captions, official_java):
    assert_equal_to_official(captions, REFERENCES)


@needs_java
@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder with Flickr8k_text.zip"
)
def test_equals_pycocoevalcap_on_flickr8k(official_java):
    """One person's captions of the 1,000 test photos are scored against the other four's."""
    archive = zipfile.ZipFile(next(Path(os.environ["RECAP_DATA"]).rglob("Flickr8k_text.zip")))
    photos = archive.read("Flickr_8k.testImages.txt").decode().split()
    captions = {photo: [] for photo in photos}
    for line in archive.read("Flickr8k.token.txt").decode().splitlines():
        name, _, caption = line.partition("\t")
        if name.split("#")[0] in captions:
            captions[name.split("#")[0]].append(caption)
    texts = dict(enumerate(captions.values()))
    said = {image: of_image[4] for image, of_image in texts.items()}
    references = {image: of_image[:4] for image, of_image in texts.items()}
    scores = assert_equal_to_official(said, references)
    assert scores["images"] == 1000
    assert scores["scores"]["CIDEr-D"] > 0.7


def test_more_references_than_images_do_no_harm():
    some = {image: CAPTIONS[image] for image in (3, 7)}
    wanted = score(some, {image: REFERENCES[image] for image in (3, 7)}, meteor=False)
    assert score(some, REFERENCES, meteor=False) == wanted
    assert wanted["references"] == 6


def test_captions_are_lines_in_the_order_of_the_annotations(tmp_path, capsys):
    """A line that begins with "A" makes "K." before it a `k`; before any other it is `k.`."""
    results, annotations = write_files(
        tmp_path,
        [(4, "it reads k"), (5, "it reads K."), (1, "A dog ran"), (3, "A cat ran")],
        {5: ["it reads k"], 1: ["A dog ran"], 4: ["it reads K."], 3: ["A cat ran"]},
    )
    score_captions(results, annotations, meteor=False, format="json")
    scores = json.loads(capsys.readouterr().out)["per_image"]
    assert scores["image_id"] == [1, 3, 4, 5]
    assert scores["ROUGE-L"] == [1, 1, 1, 1]
    annotated = json.loads(annotations.read_text())
    annotated["images"].sort(key=lambda image: image["id"])
    annotations.write_text(json.dumps(annotated))
    score_captions(results, annotations, meteor=False, format="json")
    scores = json.loads(capsys.readouterr().out)["per_image"]
    assert scores["ROUGE-L"] == [1, 1, pytest.approx(2 / 3), pytest.approx(2 / 3)]


def test_perfect_captions():
    captions = {image: texts[0] for image, texts in REFERENCES.items()}
    references = {image: texts[:1] for image, texts in REFERENCES.items()}
    scores = score(captions, references, meteor=False)["scores"]
    for name in ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L"):
        assert scores[name] == pytest.approx(1, abs=1e-8)
    assert scores["CIDEr-D"] == pytest.approx(10, abs=1e-8)


def test_file_and_table(no_java, tmp_path, capsys):
    results, annotations = write_files(tmp_path, list(CAPTIONS.items())[:3], REFERENCES)
    output = tmp_path / "deep" / "scores.json"
    score_captions(results, annotations, output=output, subset=True)
    scores = json.loads(output.read_text())
    assert list(scores["scores"]) == METRICS
    assert list(scores["per_image"]) == ["image_id", *METRICS, "BLEU counts"]
    assert [len(counts) for counts in scores["per_image"]["BLEU counts"]] == [10] * 3
    assert scores["images"] == 3
    assert scores["references"] == 8
    assert scores["scores"]["METEOR"] is None
    assert scores["per_image"]["METEOR"] is None
    assert scores["per_image"]["image_id"] == [1, 3, 7]
    computed = set(METRICS) - {"METEOR"}
    assert all(len(scores["per_image"][name]) == 3 for name in computed)
    assert any("METEOR" in note and "there is no Java" in note for note in scores["notes"])
    assert any("1 of the 4 images" in note for note in scores["notes"])
    table = capsys.readouterr().out
    assert f"BLEU-4{scores['scores']['BLEU-4']:>10.4f}" in table
    assert "METEOR         -" in table
    assert "testlen" not in table
    first = output.read_bytes()
    results.write_text(json.dumps(json.loads(results.read_text())[::-1]))
    score_captions(results, annotations, output=output, subset=True)
    assert output.read_bytes() == first


def test_a_missing_archive_is_told(tmp_path):
    results, annotations = write_files(tmp_path, CAPTIONS.items(), REFERENCES)
    with pytest.raises(InputError, match="nowhere.zip does not exist: .*download-file"):
        score_captions(results, annotations, spice=tmp_path / "nowhere.zip")


def test_json_on_the_command_line(tmp_path, capsys):
    results, annotations = write_files(tmp_path, CAPTIONS.items(), REFERENCES)
    output = tmp_path / "scores.json"
    score_captions(results, annotations, output=output, meteor=False, format="json")
    assert json.loads(capsys.readouterr().out) == json.loads(output.read_text())


def test_single_image_has_no_cider():
    scores = score({3: "a black dog"}, REFERENCES, meteor=False)
    assert scores["scores"]["CIDEr-D"] == 0
    assert any("single image" in note for note in scores["notes"])


def test_references_without_words():
    scores = score({1: "a dog", 2: ""}, {1: ["."], 2: [""]}, meteor=False)
    assert scores["scores"]["CIDEr-D"] == 0
    assert any("no reference caption has a word" in note for note in scores["notes"])


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("exit 1", "does not work"),
        ("echo 'version \"17\"' >&2; [ $1 = -version ]", "failed"),
        (
            "echo 'version \"17\"' >&2; [ $1 = -version ] || echo 'no memory' >&2",
            r"its Java program failed \(no memory\)",
        ),
    ],
)
def test_broken_java_is_a_note(script, told, no_java, tmp_path):
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    scores = score(CAPTIONS, REFERENCES)
    assert scores["scores"]["METEOR"] is None
    assert scores["scores"]["CIDEr-D"] > 0
    (note,) = scores["notes"]
    assert note.startswith("METEOR was not computed, because ")
    assert re.search(told, note)


def test_java_that_hangs_is_a_note(no_java, tmp_path, monkeypatch):
    """What the `java` has started ends too, though it holds the pipe."""
    monkeypatch.setattr(meteor, "TIME_LIMIT", 0.5)
    java, ended = tmp_path / "java", tmp_path / "ended"
    java.write_text(
        f"#!/bin/sh\necho 'version \"17\"' >&2\n[ $1 = -version ] && exit\n"
        f"(/bin/sleep 30; echo > {ended}) &\nwait\n"
    )
    java.chmod(0o755)
    (note,) = score(CAPTIONS, REFERENCES)["notes"]
    assert note == "METEOR was not computed, because it took longer than 0.5 s."
    assert not ended.exists()


@pytest.mark.parametrize("answers", [0, 1, 4])
def test_java_that_is_killed_is_a_note(answers, no_java, tmp_path):
    """It answers some captions; then the kernel kills it, as it does when memory runs out."""
    java = tmp_path / "java"
    java.write_text(
        "#!/bin/sh\necho 'version \"17\"' >&2\n[ $1 = -version ] && exit\n"
        + "read line; echo 1 2 3\n" * answers
        + "read line; kill -9 $$\n"
    )
    java.chmod(0o755)
    (note,) = score(CAPTIONS, REFERENCES)["notes"]
    assert note.startswith("METEOR was not computed, because its Java program failed")


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ([(1, "a"), (3, "b"), (1, "c")], "more than one caption of image 1"),
        ([(1, "a"), (8, "b"), (9, "c")], "captions of images 8, 9, which .*annotations.json"),
        ([(1, "a"), (5, "b")], "annotations.json has no reference caption of image 5"),
        ([(1, "a"), (3, "b")], "no caption of images 7, 4 of .*annotations.json.*--subset"),
        ([], "results.json holds no caption"),
        ([(1, None)], "results.json has the caption None of image 1: a caption is text"),
        ([("1", "a")], "results.json has the image id '1', which is no whole number"),
        ([(1.0, "a")], "results.json has the image id 1.0"),
        ([(True, "a")], "results.json has the image id True"),
        ([(None, "a")], "results.json has the image id None"),
    ],
)
def test_bad_results_are_told(captions, message, tmp_path):
    results, annotations = write_files(tmp_path, captions, {**REFERENCES, 5: []})
    output = tmp_path / "scores.json"
    with pytest.raises(InputError, match=message):
        score_captions(results, annotations, output=output)
    assert not output.exists()


def test_images_without_references_are_left_out_of_a_subset(tmp_path):
    """As those of which the course's files have no caption that is short enough."""
    output = tmp_path / "scores.json"
    captions = [(1, "a"), (5, "b"), (3, "c")]
    results, annotations = write_files(tmp_path, captions, {**REFERENCES, 5: []})
    score_captions(results, annotations, output=output, subset=True, meteor=False)
    scores = json.loads(output.read_text())
    assert scores["per_image"]["image_id"] == [1, 3]
    assert "1 image without a reference caption left out, such as 5." in scores["notes"]
    write_files(tmp_path, captions[1:2], {**REFERENCES, 5: []})
    with pytest.raises(InputError, match="has no reference caption of image 5"):
        score_captions(results, annotations, subset=True)


def test_captions_without_words_are_told(tmp_path, capsys):
    captions = [(1, "a dog"), (5, " . "), (8, "")]
    write_files(tmp_path, captions, {1: ["a dog"], 5: ["a cat"], 8: ["a bird"]})
    score_captions(tmp_path / "results.json", tmp_path / "annotations.json", meteor=False)
    out = capsys.readouterr().out
    assert "3 images, 3 reference captions" in out
    assert "2 captions without a word: 0 by every metric, such as that of image 5." in out


def test_what_python_reads_as_json_is_read(tmp_path, capsys):
    """A byte order mark, ids beyond 64 bits, numbers that are none in a field that nobody uses."""
    image = 2**70
    results, annotations = write_files(
        tmp_path, [(image, "a cafe\u0301\u200b")], {image: ["a caf\u00e9"]}
    )
    entry = {"image_id": image, "caption": "a cafe\u0301\u200b", "score": float("nan")}
    text = json.dumps([entry]).replace("}", ', "chance": 1e999}')
    results.write_text("\ufeff" + text, encoding="utf-8")
    score_captions(results, annotations, meteor=False, format="json")
    scores = json.loads(capsys.readouterr().out)
    assert scores["per_image"]["image_id"] == [image]
    assert scores["scores"]["ROUGE-L"] == 1  # accents and invisible characters as in the references


@pytest.mark.parametrize(
    ("caption", "told"),
    [
        ("一只棕色的狗在草地上奔跑。", True),
        ("一只 棕色 的 狗 在 草地 上 奔跑 。", False),
        ("สุนัขวิ่งบนหญ้า", True),
        ("สุนัข วิ่ง บน หญ้า", False),
        ("개가 풀밭에서 달린다", False),
        ("a dog by a sign that reads 東京駅北口改札", False),
        ("一二三四五六", False),
        ("一二三四五六七", True),
        ("一二三四五六七 abcdef", False),
        ("一二三四五六七 abcde", True),
    ],
)
def test_a_language_without_spaces_is_told_once(caption, told, tmp_path, capsys):
    results, annotations = write_files(tmp_path, [(1, caption)], {1: [caption] * 2})
    score_captions(results, annotations, meteor=False)
    assert capsys.readouterr().out.count("no spaces between their words") == told


def test_letters_count_as_words_where_they_are_asked_to(tmp_path, capsys):
    said = {1: "一只棕色的狗在草地上奔跑。", 2: "两只猫坐在桌子上。"}
    written = {1: ["一只狗在草地上跑。"], 2: ["两只猫坐在一张桌子上。"]}
    results, annotations = write_files(tmp_path, list(said.items()), written)
    score_captions(results, annotations, meteor=False, words="characters", format="json")
    told = json.loads(capsys.readouterr().out)
    assert told["notes"] == []
    # As if a person had put the spaces there, and left the punctuation out.
    spaced = {key: " ".join(text.rstrip("。")) for key, text in said.items()}
    parted = {
        key: [" ".join(text.rstrip("。")) for text in texts] for key, texts in written.items()
    }
    results, annotations = write_files(tmp_path, list(spaced.items()), parted)
    score_captions(results, annotations, meteor=False, format="json")
    assert json.loads(capsys.readouterr().out)["scores"] == told["scores"]
    # 8 and 8 of the 12 and 8 letters are in the references.
    assert told["scores"]["BLEU-1"] == pytest.approx(16 / 20)


@pytest.mark.parametrize("content", ["[", "{}", '{"images": []}', "null", '[{"caption": "a"}]'])
def test_broken_results_files_are_told(content, tmp_path):
    results, annotations = write_files(tmp_path, [], REFERENCES)
    results.write_text(content)
    with pytest.raises(InputError, match="results.json"):
        score_captions(results, annotations)
