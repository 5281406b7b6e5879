import csv
import html
import io
import json
import math
import re
import shutil

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from recap.backbones.load import load_backbone
from recap.captioners.folder import (
    TrainedCaptioner,
    expected_shapes,
    load_captioner,
    save_captioner,
)
from recap.captioners.recipe import Recipe
from recap.core.errors import InputError
from recap.core.json_files import write_json
from recap.evaluation import caption as module
from recap.evaluation.export import export_captioner
from recap.features.calibrate import calibrate_extraction
from recap.features.extract import extract_features
from recap.features.pca import PCA
from recap.report.photos.caption import PRETRAINED, caption

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "dog", "cat", "runs"]
COMPONENTS = 6


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a study's folder with an untrained captioner, a PCA and photos."""
    folder = tmp_path_factory.mktemp("study")
    recipe = Recipe(architecture="rnn", wordvec_dim=5, hidden_dim=7)
    generator = np.random.default_rng(0)
    parameters = {
        name: generator.standard_normal(shape).astype(np.float32)
        for name, shape in expected_shapes(recipe, COMPONENTS, len(WORDS)).items()
    }
    model = folder / "models" / "rnn" / "seed0"
    model.mkdir(parents=True)
    save_captioner(model, TrainedCaptioner(recipe, WORDS, parameters))
    (folder / "features").mkdir()
    with h5py.File(folder / "features" / "pca.h5", "w") as file:
        file["mean"] = np.zeros(2024)
        file["components"] = generator.standard_normal((COMPONENTS, 2024)) / 45
        file.attrs.update(load_backbone("squeezenet1_0", "random").attributes)
        file.attrs["layer"] = "fire9_conv10"
    for number in range(3):
        pixels = generator.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((300, 200)).save(folder / f"{number}.png")
    return folder


def options(study):
    return {"model": [study / "models" / "rnn" / "seed0"], "device": "cpu", "threads": 1}


def test_one_photo_gives_its_caption_alone(study, capsys):
    caption(study / "0.png", **options(study))
    (line,) = capsys.readouterr().out.splitlines()
    assert line
    assert set(line.split()) <= set(WORDS[4:])


def test_several_photos_are_named(study, capsys, monkeypatch):
    photos = [study / f"{number}.png" for number in range(3)]
    caption(*photos, **options(study), decoder="greedy")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(photo) for photo in photos]
    # A batch is no larger than it is in extraction, however many photos there are.
    monkeypatch.setattr("recap.features.extractor.choose_batch", lambda device: 2)
    sizes = []
    extract = module.FeatureExtractor.__call__

    def measured(self, pixels):
        sizes.append(len(pixels))
        return extract(self, pixels)

    monkeypatch.setattr(module.FeatureExtractor, "__call__", measured)
    caption(*photos, **options(study), decoder="greedy")
    assert capsys.readouterr().out.splitlines() == lines
    assert sizes == [2, 1]


def test_a_photo_that_cannot_be_read_leaves_the_others_their_captions(study, capsys, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    good = [study / "0.png", study / "1.png"]
    caption(*good, **options(study))
    expected = capsys.readouterr().out
    with pytest.raises(InputError, match=r"^1 of 3 photos could not be captioned\.$"):
        caption(good[0], tmp_path / "bad.jpg", good[1], **options(study))
    out, err = capsys.readouterr()
    assert out == expected
    assert f"error: {tmp_path}/bad.jpg is not an image that can be read" in err
    with pytest.raises(InputError, match="2 of 2 photos could not be captioned"):
        caption(tmp_path / "bad.jpg", tmp_path, **options(study))
    for alone in (tmp_path / "bad.jpg", type(tmp_path)("/dev/zero")):
        with pytest.raises(InputError, match="is not an image|is not a file: name a picture file"):
            caption(alone, **options(study))


def test_a_decoder_with_options_and_several_captioners(study, capsys):
    caption(study / "0.png", **options(study), decoder="beam4-length_penalty=1-block_ngrams=1")
    words = capsys.readouterr().out.split()
    assert len(words) == len(set(words))
    caption(study / "0.png", **options(study))
    alone = capsys.readouterr().out
    caption(study / "0.png", **options(study) | {"model": options(study)["model"] * 2})
    assert capsys.readouterr().out == alone


def test_a_captioner_of_drawn_scenes_says_so(study, tmp_path, capsys):
    drawn = load_captioner(options(study)["model"][0])
    told = {}
    for dataset in ("shapes", "coco2014"):
        drawn.facts["dataset"] = dataset
        save_captioner(tmp_path / dataset, drawn)
        chosen = options(study) | {"model": [tmp_path / dataset]}
        caption(study / "0.png", **chosen, pca=study / "features/pca.h5")
        told[dataset] = capsys.readouterr()
    assert "drawn scenes of `shapes`" in told["shapes"].err
    assert "warning" not in told["coco2014"].err
    assert told["shapes"].out == told["coco2014"].out


def test_the_pca_can_lie_elsewhere(study, tmp_path, capsys):
    caption(study / "0.png", **options(study))
    expected = capsys.readouterr().out
    (tmp_path / "pca.h5").write_bytes((study / "features" / "pca.h5").read_bytes())
    caption(study / "0.png", **options(study), pca=tmp_path / "pca.h5")
    assert capsys.readouterr().out == expected


def test_a_captioner_that_was_copied_elsewhere_needs_its_pca(study, tmp_path):
    chosen = options(study)
    copy = shutil.copytree(chosen["model"][0], tmp_path / "copied")
    with pytest.raises(InputError, match=r"PCA .* is not at .*pca\.h5: give .* with --pca"):
        caption(study / "0.png", **chosen | {"model": [copy]})
    caption(study / "0.png", **chosen | {"model": [copy]}, pca=study / "features" / "pca.h5")


def test_no_photo(study):
    with pytest.raises(InputError, match="There is no photo to caption"):
        caption(**options(study))


def test_a_photo_that_cannot_be_read(study, tmp_path):
    with pytest.raises(InputError, match=r"none\.jpg cannot be read \(No such file"):
        caption(tmp_path / "none.jpg", **options(study))
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(InputError, match=r"text\.jpg is not an image"):
        caption(tmp_path / "text.jpg", **options(study))


def test_what_is_no_captioner(study, tmp_path):
    with pytest.raises(InputError, match="holds no trained captioner"):
        caption(study / "0.png", model=[tmp_path])
    with pytest.raises(InputError, match="no decoder 'best'"):
        caption(study / "0.png", **options(study), decoder="best")
    with pytest.raises(InputError, match="give beam20"):
        caption(study / "0.png", **options(study), decoder="mbr20")


def changed_pca(study, path, **attributes):
    path.write_bytes((study / "features" / "pca.h5").read_bytes())
    with h5py.File(path, "a") as file:
        for key, value in attributes.items():
            if value is None:
                del file.attrs[key]
            else:
                file.attrs[key] = value
    return path


def test_a_pca_of_other_weights(study, tmp_path):
    pca = changed_pca(study, tmp_path / "pca.h5", weights_sha256="00ff")
    with pytest.raises(InputError, match=r"random is not the file of weights that .*pca\.h5"):
        caption(study / "0.png", **options(study), pca=pca)


def test_a_pca_that_does_not_tell_its_backbone(study, tmp_path):
    pca = changed_pca(study, tmp_path / "pca.h5", backbone=None)
    with pytest.raises(InputError, match=r"pca\.h5 does not tell the backbone"):
        caption(study / "0.png", **options(study), pca=pca)


def test_weights_that_have_moved(study, tmp_path):
    pca = changed_pca(study, tmp_path / "pca.h5", weights="elsewhere/weights.pth")
    message = (
        r"no file of weights {}: give the study's .* --weights resources/weights/weights\.pth\.$"
    )
    with pytest.raises(InputError, match=message.format(r"elsewhere/weights\.pth")):
        caption(study / "0.png", **options(study), pca=pca)
    with pytest.raises(InputError, match=message.format("mine")):
        caption(study / "0.png", **options(study), pca=pca, weights="mine")
    caption(study / "0.png", **options(study), pca=pca, weights="random")


def test_weights_where_the_study_has_random_ones(study, tmp_path):
    other = tmp_path / "weights.pth"
    torch.save(load_backbone("squeezenet1_0", "random").network.state_dict(), other)
    for weights, told in ((tmp_path, "no file of weights .*"), (other, "is not the file .*")):
        with pytest.raises(InputError, match=f"{told}: leave --weights out, because .* random"):
            caption(study / "0.png", **options(study), weights=str(weights))


def test_an_exported_captioner_needs_nothing_beside_it(study, tmp_path, capsys):
    weights, small = tmp_path / "weights.pth", tmp_path / "small"
    torch.save(load_backbone("squeezenet1_0", "random").network.state_dict(), weights)
    attributes = load_backbone("squeezenet1_0", str(weights)).attributes
    made = {"pca": changed_pca(study, tmp_path / "pca.h5", **attributes), "weights": str(weights)}
    export_captioner(study / "models" / "rnn" / "seed0", output=small, **made)
    capsys.readouterr()
    told = []
    for chosen in (options(study) | made, options(study) | {"model": [small]}):
        caption(study / "0.png", **chosen, format="json")
        told.append(json.loads(capsys.readouterr().out)[0]["captions"][0])
    assert told[0]["words"] == told[1]["words"]
    assert told[0]["probabilities"] == pytest.approx(told[1]["probabilities"], rel=0.02)
    with h5py.File(small / "pca.h5") as half, h5py.File(made["pca"]) as whole:
        np.testing.assert_array_equal(half["mean"], whole["mean"])
        assert half["components"].dtype == np.float16
    with pytest.raises(InputError, match=r"weights\.pth is not the file .*: leave --weights out"):
        caption(study / "0.png", **chosen, weights=str(weights))
    (small / "backbone.safetensors").unlink()
    with pytest.raises(InputError, match=r"no file of weights .*small/backbone\.safetensors"):
        caption(study / "0.png", **chosen)


def test_without_a_model_the_captioner_that_comes_with_recap(study, tmp_path, capsys):
    page = tmp_path / "captions.html"
    caption(study / "0.png", page=page, device="cpu", threads=1)
    out, err = capsys.readouterr()
    assert len(out.split()) >= 3
    assert set(out.split()) <= set(load_captioner(PRETRAINED).idx_to_word[4:])
    terms = "captions by recap's own captioner, which learnt from Flickr8k"
    assert err.startswith(f"note: {terms}")
    assert terms in html.unescape(page.read_text())
    assert sum(file.stat().st_size for file in PRETRAINED.iterdir()) < 10_000_000


@pytest.mark.parametrize("attributes", [{"backbone": 5}, {"layer": ["fc7", "fc7"]}])
def test_a_pca_whose_attributes_are_no_text(study, tmp_path, attributes):
    pca = changed_pca(study, tmp_path / "pca.h5", **attributes)
    (name,) = attributes
    with pytest.raises(InputError, match=rf"pca\.h5 does not tell the {name}"):
        caption(study / "0.png", **options(study), pca=pca)


@pytest.mark.parametrize("precision", ["float8", 16, ["float32", "float32"]])
def test_a_pca_of_a_precision_that_there_is_not(study, tmp_path, precision):
    pca = changed_pca(study, tmp_path / "pca.h5", precision=precision)
    with pytest.raises(InputError, match=r"pca\.h5 is damaged: its features have the precision"):
        caption(study / "0.png", **options(study), pca=pca)


def test_a_pca_of_int8_without_its_scales(study, tmp_path):
    pca = changed_pca(study, tmp_path / "pca.h5", precision="int8")
    with pytest.raises(InputError, match=r"pca\.h5 is damaged: its scales of int8 do not fit"):
        caption(study / "0.png", **options(study), pca=pca)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_a_photo_of_the_study_gets_the_features_that_it_has_there(
    study, tmp_path, monkeypatch, precision
):
    names = [f"{number}.png" for number in range(3)]
    listed = {
        "images": [{"id": row, "file_name": name} for row, name in enumerate(names)],
        "annotations": [],
    }
    write_json(tmp_path / "photos.json", listed)
    features, calibration = tmp_path / "features.h5", None
    if precision == "int8":
        calibration = tmp_path / "calibration.json"
        calibrate_extraction(
            study, tmp_path / "photos.json", output=calibration, backbone="squeezenet1_0", threads=1
        )
    extract_features(
        study,
        tmp_path / "photos.json",
        output=features,
        backbone="squeezenet1_0",
        precision=precision,
        calibration=calibration,
        device="cpu",
        threads=1,
    )
    with h5py.File(features) as file:
        expected, origin = file["features"][:], dict(file.attrs)
    pca = changed_pca(study, tmp_path / "pca.h5", **origin)
    seen = []

    transform = PCA.transform

    def seeing(self, rows):
        seen.append(rows)
        return transform(self, rows)

    monkeypatch.setattr(PCA, "transform", seeing)
    caption(study / "2.png", study / "0.png", **options(study), pca=pca)
    np.testing.assert_array_equal(seen[0], expected[[2, 0]])
    # Features of another device's batches cannot be met to the last bit: no work goes into it.
    extract = module.FeatureExtractor.__call__
    sizes = []

    def measured(self, pixels):
        sizes.append(len(pixels))
        return extract(self, pixels)

    monkeypatch.setattr(module.FeatureExtractor, "__call__", measured)
    other = changed_pca(study, tmp_path / "other.h5", **origin | {"batch": 128})
    caption(study / "0.png", **options(study), pca=other)
    assert sizes == [1]


def test_formats_tell_the_best_captions_and_their_probabilities(study, capsys):
    photos = [study / "0.png", study / "1.png"]
    caption(*photos, **options(study), best=3, format="json")
    told = json.loads(capsys.readouterr().out)
    assert [entry["photo"] for entry in told] == [str(photo) for photo in photos]
    for entry in told:
        texts = [one["caption"] for one in entry["captions"]]
        assert len(set(texts)) == 3
        for one in entry["captions"]:
            assert one["caption"] == " ".join(one["words"])
            # Only the end is missing from the product of the words.
            assert 0 < one["probability"] < math.prod(one["probabilities"]) <= 1
    caption(*photos, **options(study), best=3, format="csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    listed = [(entry["photo"], one) for entry in told for one in entry["captions"]]
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    for row, (photo, one) in zip(rows, listed, strict=True):
        assert (row["photo"], row["caption"]) == (photo, one["caption"])
        assert float(row["probability"]) == one["probability"]
        assert list(map(float, row["word_probabilities"].split())) == one["probabilities"]
    caption(*photos, **options(study), best=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" (")[0] for line in lines] == [
        f"{photo}: {one['caption']}" for photo, one in listed if one in listed_best(told, 2)
    ]


def listed_best(told, best):
    return [one for entry in told for one in entry["captions"][:best]]


def test_more_captions_than_the_beam_is_wide(study):
    with pytest.raises(InputError, match="beam3 does not have the 4 best captions"):
        caption(study / "0.png", **options(study), best=4)


def test_a_page_shows_photos_captions_and_maps(study, tmp_path, capsys):
    hostile = tmp_path / '<img src=x onerror="alert(1)">.png'
    shutil.copy(study / "0.png", hostile)
    page = tmp_path / "captions.html"
    caption(hostile, study / "1.png", **options(study), best=3, format="json", page=page)
    told = json.loads(capsys.readouterr().out)
    text = page.read_text()
    assert "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;.png" in text
    assert "<img src=x" not in text
    # Who gets the page does not learn where the photos lay.
    assert str(tmp_path) not in text and str(study) not in text
    for entry in told:
        first, *others = entry["captions"]
        assert f"<h2>{first['caption']}</h2>" in text
        assert len(others) == 2
    # The map of the rarest word is shown, which has the highest number.
    for entry, (label, shown) in zip(told, chosen_words(text), strict=True):
        assert label == shown == max(entry["captions"][0]["words"], key=WORDS.index)
    shades = re.findall(r'<span class="lit"><img src="([^"]+)"', text)
    assert len(shades) == sum(len(entry["captions"][0]["words"]) for entry in told)
    assert len(set(shades)) > 1
    assert all(shade.startswith("data:image/png;base64,") for shade in shades)
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "by the gradient of its" in text


def chosen_words(text):
    """Return of each photo the word that is chosen, and that whose map is large."""
    chosen = re.findall(r' checked>.*?class="said">(\w+)<', text, re.S)
    return zip(chosen, re.findall(r"<figcaption><b>(\w+)</b>", text), strict=True)


def test_a_page_of_an_ensemble_has_no_maps(study, tmp_path):
    chosen = options(study) | {"model": options(study)["model"] * 2}
    page = tmp_path / "captions.html"
    caption(study / "0.png", **chosen, page=page)
    text = page.read_text()
    assert 'class="lit-word"' not in text
    assert text.count('<figure class="whole">') == 1
    assert "2 captioners together" in text


def test_the_page_shows_the_attention_of_a_captioner_that_has_it(study, tmp_path, monkeypatch):
    recipe = Recipe(architecture="lstm", wordvec_dim=5, hidden_dim=7, attention=True)
    generator = np.random.default_rng(1)
    parameters = {
        name: generator.standard_normal(shape).astype(np.float32)
        for name, shape in expected_shapes(recipe, COMPONENTS, len(WORDS)).items()
    }
    model = tmp_path / "models" / "attention" / "seed0"
    model.mkdir(parents=True)
    save_captioner(model, TrainedCaptioner(recipe, WORDS, parameters, {"regions": 49}))
    pca = changed_pca(study, tmp_path / "pca.h5", layer="fire9_grid")
    with h5py.File(pca, "a") as file:
        del file["mean"], file["components"]
        file["mean"] = np.zeros(512)
        file["components"] = generator.standard_normal((COMPONENTS, 512)) / 22
        file.attrs["regions"] = 49
    shown = []
    monkeypatch.setattr("recap.report.photos.caption.shade", lambda map_: shown.append(map_) or "")
    page = tmp_path / "captions.html"
    caption(study / "0.png", model=[model], pca=pca, page=page, device="cpu", threads=1)
    assert {map_.shape for map_ in shown} == {(7, 7)}
    assert "attended to the photo" in page.read_text()
