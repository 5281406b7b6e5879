"""Scores equal pycocoevalcap's, and bad input is told in a sentence."""

import json
import math
import shutil

import pytest
from java_tokenizer import needs_java, tokenize_with_java
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge

from recap.errors import InputError
from recap.scoring.score import compute_scores, score_captions

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


@pytest.fixture
def no_java(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


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


def official_scores(captions, references, folder, with_meteor=False):
    """Return pycocoevalcap's scores on the Java tool's tokens."""
    images = sorted(captions)
    texts = [text for image in images for text in (captions[image], *references[image])]
    tokenized = iter(tokenize_with_java(texts, folder))
    hypotheses, truths = {}, {}
    for image in images:
        hypotheses[image] = [" ".join(next(tokenized))]
        truths[image] = [" ".join(next(tokenized)) for _ in references[image]]
    scorers = {"BLEU": Bleu(4), "ROUGE-L": Rouge(), "CIDEr-D": Cider()}
    if with_meteor:
        scorers["METEOR"] = Meteor()
    return {name: scorer.compute_score(truths, hypotheses) for name, scorer in scorers.items()}


def assert_equal_to_official(scores, official):
    for n in range(4):
        assert scores["scores"][f"BLEU-{n + 1}"] == official["BLEU"][0][n]
    assert scores["per_image"]["BLEU-4"] == official["BLEU"][1][3]
    for name in official.keys() - {"BLEU"}:
        assert scores["scores"][name] == pytest.approx(official[name][0], rel=0, abs=1e-12)
        assert scores["per_image"][name] == pytest.approx(official[name][1], rel=0, abs=1e-12)


@needs_java
def test_equals_pycocoevalcap_with_its_java_tokenizer(tmp_path):
    scores = compute_scores(CAPTIONS, REFERENCES)
    assert_equal_to_official(scores, official_scores(CAPTIONS, REFERENCES, tmp_path, True))
    assert 0 < scores["scores"]["METEOR"] < 1
    assert scores["notes"] == []


@needs_java
@pytest.mark.parametrize(
    "captions",
    [
        {image: "" for image in REFERENCES},
        {**CAPTIONS, 3: "", 4: " . "},
        {image: "dog" for image in REFERENCES},
        {image: texts[0] for image, texts in REFERENCES.items()},
        {image: f"{texts[0]} {texts[0]}" for image, texts in REFERENCES.items()},
        {7: "ein Café öffnet 日本語 😀"},
        {3: "a black dog"},
    ],
    ids=["all empty", "some empty", "one word", "references", "doubled", "letters", "one image"],
)
def test_equals_pycocoevalcap_on_odd_captions(captions, tmp_path, monkeypatch):
    official = official_scores(captions, REFERENCES, tmp_path)
    monkeypatch.setenv("PATH", "")
    assert_equal_to_official(compute_scores(captions, REFERENCES), official)


def test_bleu_by_hand(no_java):
    """Right are 4 of 5 words, 3 of 4 pairs, 2 of 3 triples and 1 of 2 runs of four.

    The caption is short: its 5 words are held against the 6 of the second reference, which is 1
    word off, where the first is 2 off.
    """
    references = {1: ["the cat sat", "a cat sat on the mat"]}
    scores = compute_scores({1: "A cat sat on tiles."}, references)["scores"]
    brevity = math.exp(1 - 6 / 5)
    assert scores["BLEU-1"] == pytest.approx(brevity * 4 / 5, abs=1e-8)
    assert scores["BLEU-2"] == pytest.approx(brevity * (4 / 5 * 3 / 4) ** (1 / 2), abs=1e-8)
    assert scores["BLEU-3"] == pytest.approx(brevity * (4 / 5 * 3 / 4 * 2 / 3) ** (1 / 3), abs=1e-8)
    fours = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    assert scores["BLEU-4"] == pytest.approx(brevity * fours, abs=1e-8)


def test_perfect_captions(no_java):
    captions = {image: texts[0] for image, texts in REFERENCES.items()}
    references = {image: texts[:1] for image, texts in REFERENCES.items()}
    scores = compute_scores(captions, references)["scores"]
    for name in ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L"):
        assert scores[name] == pytest.approx(1, abs=1e-8)
    assert scores["CIDEr-D"] == pytest.approx(10, abs=1e-8)


def test_file_and_table(no_java, tmp_path, capsys):
    results, annotations = write_files(tmp_path, list(CAPTIONS.items())[:3], REFERENCES)
    output = tmp_path / "deep" / "scores.json"
    score_captions(results, annotations, output=output)
    scores = json.loads(output.read_text())
    assert list(scores["scores"]) == [
        *("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D")
    ]
    assert scores["images"] == 3
    assert scores["references"] == 8
    assert scores["scorers"] == "pycocoevalcap 1.2"
    assert scores["scores"]["METEOR"] is None
    assert scores["per_image"]["METEOR"] is None
    assert scores["per_image"]["image_id"] == [1, 3, 7]
    assert all(len(scores["per_image"][name]) == 3 for name in ("BLEU-4", "ROUGE-L", "CIDEr-D"))
    assert any("METEOR" in note and "java" in note for note in scores["notes"])
    assert any("1 of the 4 images" in note for note in scores["notes"])
    table = capsys.readouterr().out
    assert f"BLEU-4{scores['scores']['BLEU-4']:>10.4f}" in table
    assert "testlen" not in table
    first = output.read_bytes()
    results.write_text(json.dumps(json.loads(results.read_text())[::-1]))
    score_captions(results, annotations, output=output)
    assert output.read_bytes() == first


def test_single_image_has_no_cider(no_java):
    scores = compute_scores({3: "a black dog"}, REFERENCES)
    assert scores["scores"]["CIDEr-D"] == 0
    assert any("single image" in note for note in scores["notes"])


def test_references_without_words(no_java):
    scores = compute_scores({1: "a dog", 2: ""}, {1: ["."], 2: [""]})
    assert scores["scores"]["CIDEr-D"] == 0
    assert any("no reference caption has a word" in note for note in scores["notes"])


@pytest.mark.parametrize("script", ["exit 1", "echo openjdk; [ $1 = -version ]"])
def test_broken_java_is_a_note(script, monkeypatch, tmp_path):
    java = tmp_path / "java"
    java.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    scores = compute_scores(CAPTIONS, REFERENCES)
    assert scores["scores"]["METEOR"] is None
    assert any(f"because {java} failed" in note for note in scores["notes"])


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ([(1, "a"), (3, "b"), (1, "c")], "more than one caption of image 1"),
        ([(1, "a"), (8, "b"), (9, "c")], "captions of images 8, 9, which .*annotations.json"),
        ([(1, "a"), (5, "b")], "annotations.json has no reference caption of image 5"),
        ([], "results.json holds no caption"),
        ([(1, None)], "results.json is not a COCO caption results file"),
        ([("one", "a")], "results.json is not a COCO caption results file"),
    ],
)
def test_bad_results_are_told(captions, message, tmp_path):
    results, annotations = write_files(tmp_path, captions, {**REFERENCES, 5: []})
    output = tmp_path / "scores.json"
    with pytest.raises(InputError, match=message):
        score_captions(results, annotations, output=output)
    assert not output.exists()


@pytest.mark.parametrize("content", ["[", "{}", '{"images": []}', "null", '[{"caption": "a"}]'])
def test_broken_results_files_are_told(content, tmp_path):
    results, annotations = write_files(tmp_path, [], REFERENCES)
    results.write_text(content)
    with pytest.raises(InputError, match="results.json"):
        score_captions(results, annotations)
