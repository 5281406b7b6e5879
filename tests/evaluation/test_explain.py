"""Which pixels made a captioner say a word."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from places import SCENES
from torch import nn

from recap.backbones.load import Backbone
from recap.backbones.network import Network
from recap.backbones.preprocessing import Preprocessing
from recap.captioners.folder import TrainedCaptioner, expected_shapes, save_captioner
from recap.captioners.recipe import Recipe
from recap.captioners.torch import attention_weights
from recap.captions.words import SPECIAL_WORDS
from recap.core.errors import InputError
from recap.datasets.shapes.draw import read_scenes
from recap.datasets.shapes.named_objects import named_objects
from recap.datasets.shapes.scenes import DrawnObject, Scene
from recap.evaluation import word_maps
from recap.evaluation.explain import explain_captions
from recap.evaluation.generate import generate_captions
from recap.evaluation.origin import Origin
from recap.evaluation.word_maps import SIDE, Explainer
from recap.features.pca import PCA

WORDS = [*SPECIAL_WORDS, "a", "red", "ring", "hoop", "star", "here"]
CAPTION = ["a", "red", "ring", "here"]
CPU = torch.device("cpu")
CROP = 2 * SIDE
CHANNELS = 3


def trained(regions=1, components=3, **options):
    """Return a captioner with random weights."""
    recipe = Recipe(**{"architecture": "lstm", "wordvec_dim": 4, "hidden_dim": 5} | options)
    draw = np.random.default_rng(1)
    parameters = {
        name: draw.normal(size=shape).astype(np.float32)
        for name, shape in expected_shapes(recipe, components, len(WORDS)).items()
    }
    return TrainedCaptioner(recipe, WORDS, parameters, {"regions": regions})


@pytest.fixture
def explainer(monkeypatch):
    """Return a function that makes a captioner of what a small smooth network sees."""

    def make(poolings=("mean",), regions=1, dtype=torch.float64, network=None, **options):
        monkeypatch.setitem(word_maps.LAYERS, "small", {"layer": {"conv": list(poolings)}})
        torch.manual_seed(0)
        if network is None:
            modules = [nn.Conv2d(3, CHANNELS, 3, stride=4), nn.Softplus()]
            network = Network(modules, [], {"conv": 2})
        backbone = Backbone(
            network.eval().requires_grad_(False),
            Preprocessing(resize=CROP, crop=CROP),
            {"backbone": "small"},
        )
        draw = np.random.default_rng(2)
        pca = PCA(draw.normal(size=CHANNELS), draw.normal(size=(3, CHANNELS)), regions)
        captioner = trained(regions, **options)
        return Explainer(Origin(backbone, "layer", {}), pca, captioner, CPU, dtype)

    return make


def photo(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (CROP, CROP, 3), dtype=np.uint8)


GRID = {"poolings": ["grid"], "regions": 49}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"architecture": "rnn"},
        {"architecture": "rnn", "backend": "numpy"},
        GRID,
        GRID | {"attention": True},
        GRID | {"attention": True, "architecture": "gru"},
        GRID | {"attention": True, "architecture": "transformer"},
    ],
)
def test_gradients_are_those_of_finite_differences(explainer, options, monkeypatch):
    made = explainer(**options)
    slopes = []
    in_cells = word_maps.in_cells

    def kept(values):
        slopes.append(values)
        return in_cells(values)

    monkeypatch.setattr(word_maps, "in_cells", kept)
    found = made.maps(photo(), CAPTION)
    products = torch.stack(slopes[: len(CAPTION)])[:, 0]
    image = made.image(photo())
    from_mean = image - image.mean((2, 3), keepdim=True)
    draw = np.random.default_rng(3)
    for row, column in draw.integers(0, CROP, (6, 2)).tolist():
        # Moving a pixel's channels along its distance to the mean changes what the product tells.
        step = torch.zeros_like(image)
        step[..., row, column] = 1e-5 * from_mean[..., row, column]
        with torch.no_grad():
            above, _ = made.say(image + step, CAPTION)
            below, _ = made.say(image - step, CAPTION)
        torch.testing.assert_close(
            products[:, row, column], (above - below) / 2e-5, rtol=1e-5, atol=1e-9
        )
    totals = products.abs().sum((1, 2)).numpy()
    np.testing.assert_allclose(found.gradient.sum((1, 2)), totals, rtol=1e-5)
    assert totals.min() > 1e-6


def test_a_map_lies_where_the_network_looks(explainer):
    """The network reads one patch, and nothing else."""
    top, left = 16, 36

    class Patch(nn.Module):
        def forward(self, images):
            return images[..., top : top + 8, left : left + 8] ** 2

    made = explainer(network=Network([Patch()], [], {"conv": 1}))
    maps = made.maps(photo(), CAPTION).gradient
    inside = maps[:, top // 2 : top // 2 + 4, left // 2 : left // 2 + 4]
    assert (inside > 0).all()
    np.testing.assert_allclose(inside.sum((1, 2)), maps.sum((1, 2)), rtol=1e-6)


def test_a_word_does_not_depend_on_those_after_it_or_on_other_photos(explainer):
    made = explainer(**GRID, attention=True)
    whole = made.maps(photo(), CAPTION)
    made.maps(photo(1), ["star"])
    for length in range(1, len(CAPTION) + 1):
        alone = made.maps(photo(), CAPTION[:length])
        np.testing.assert_allclose(alone.gradient[-1], whole.gradient[length - 1], rtol=1e-6)
        np.testing.assert_array_equal(alone.attention[-1], whole.attention[length - 1])
        assert alone.log_probabilities[-1] == whole.log_probabilities[length - 1]


def test_attention_is_that_of_the_captioner_as_it_speaks(explainer, monkeypatch):
    made = explainer(**GRID, attention=True)
    seen = []

    def kept(queries, regions):
        weights = attention_weights(queries, regions)
        seen.append(weights.detach())
        return weights

    monkeypatch.setattr("recap.captioners.torch.attention_weights", kept)
    maps = made.maps(photo(), CAPTION)
    # Of each word once as it is said, and once to tell it.
    said, told = seen[::2], seen[1::2]
    assert len(said) == len(told) == len(CAPTION)
    for place, weight in enumerate(said):
        torch.testing.assert_close(told[place], weight)
        np.testing.assert_allclose(maps.attention[place].ravel(), weight.ravel(), rtol=1e-6)
    np.testing.assert_allclose(maps.attention.sum((1, 2)), 1, rtol=1e-6)


def test_the_scale_of_the_pixels_does_not_matter(explainer):
    made = explainer(dtype=torch.float64)
    before = made.maps(photo(), CAPTION).gradient
    preprocess = made._preprocess
    conv = made._network.features[0]
    with torch.no_grad():
        conv.weight /= 3
    made._preprocess = lambda pixels: 3 * preprocess(pixels)
    np.testing.assert_allclose(made.maps(photo(), CAPTION).gradient, before, rtol=1e-5, atol=1e-9)


def test_words_name_what_one_object_alone_has():
    def thing(shape, colour):
        return DrawnObject(shape, colour, "small", "left", 60.0, 112.0, 36.0, 0.0)

    ring, star, other = thing("ring", "red"), thing("star", "blue"), thing("star", "red")
    words = ["the", "scarlet", "hoop", "beside", "a", "blue", "star", "and", "stars"]
    assert named_objects(words, Scene("sand", (ring, star))) == {1: ring, 2: ring, 5: star, 6: star}
    assert named_objects(words, Scene("sand", (ring, other))) == {2: ring, 6: other}
    assert named_objects(words, Scene("sand", (other,))) == {1: other, 6: other}


# --- the step ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(shapes_study, tmp_path_factory):
    """Return what the step is given: an untrained captioner's captions of drawn scenes."""
    folder = tmp_path_factory.mktemp("explained")
    words = [*SPECIAL_WORDS, "a", "red", "ring", "star", "square", "heart", "triangle", "blue"]
    recipe = Recipe(architecture="rnn", wordvec_dim=4, hidden_dim=5)
    draw = np.random.default_rng(0)
    parameters = {
        name: draw.normal(scale=0.1, size=shape).astype(np.float32)
        for name, shape in expected_shapes(recipe, 32, len(words)).items()
    }
    save_captioner(folder / "model", TrainedCaptioner(recipe, words, parameters))
    results = shapes_study / "results/shapes"
    given = {
        "annotations": shapes_study / SCENES / "annotations/captions_val.json",
        "images": [shapes_study / SCENES / "val2014.zip"],
        "model": folder / "model",
        "pca": results / "features/pca.h5",
        "scenes": shapes_study / SCENES / "annotations_trainval2014.zip",
        "device": "cpu",
        "threads": 1,
        "photos": 3,
    }
    generate_captions(
        results / "coco_captioning/val2014_vgg16_fc7_pca.h5",
        given["annotations"],
        model=[given["model"]],
        output=folder / "greedy.json",
        words_output=folder / "greedy.words.json",
        decoder="greedy",
        threads=1,
    )
    # Captions whose third word names an object.
    entries = json.loads((folder / "greedy.words.json").read_text())
    scenes = read_scenes(given["scenes"], "val")
    for entry in entries:
        thing = scenes[entry["image_id"]].objects[0]
        entry["words"] = ["a", "a", thing.shape]
    (folder / "named.words.json").write_text(json.dumps(entries))
    return given | {"captions": folder / "named.words.json"}


def explain(study, folder, **changed):
    given = {**study, "output": folder / "found.json", "maps_output": folder / "found.npz"}
    explain_captions(**given | changed)
    return json.loads((folder / "found.json").read_text()), dict(np.load(folder / "found.npz"))


def test_the_files_of_the_step(study, tmp_path, capsys):
    found, maps = explain(study, tmp_path)
    assert [len(photo["words"]) for photo in found["photos"]] == [3, 3, 3]
    assert maps["gradient"].shape == (9, SIDE, SIDE)
    assert maps["gradient"].dtype == np.uint8
    assert (maps["gradient"].max(axis=(1, 2)) == 255).all()
    assert maps.keys() == {"gradient"}
    assert found["seen"] == 1
    scenes = read_scenes(study["scenes"], "val")
    for photo in found["photos"]:
        things = scenes[photo["image_id"]].objects
        alone = sum(thing.shape == things[0].shape for thing in things) == 1
        assert [word["word"] for word in photo["named"]] == [2] * alone
        for word in photo["named"]:
            assert 0.01 < word["share"]["random"] == word["pointing"]["random"] < 0.2
            assert {*word["share"]} == {"gradient", "contrast", "centre", "random"}
    named = [photo["named"] for photo in found["photos"] if photo["named"]]
    summary = found["summary"]
    assert summary["photos"] == summary["words"] == len(named)
    shares = [word["share"]["gradient"] for (word,) in named]
    assert summary["share"]["gradient"] == pytest.approx(np.mean(shares))
    assert "9 words of 3 photos explained" in capsys.readouterr().out
    # The same bytes again, and other photos by another seed.
    first = [(tmp_path / name).read_bytes() for name in ("found.json", "found.npz")]
    explain(study, tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("found.json", "found.npz")] == first
    other, _ = explain(study, tmp_path, seed=1)
    ids = [[photo["image_id"] for photo in each["photos"]] for each in (found, other)]
    assert ids[0] == sorted(ids[0]) != ids[1]


def test_words_are_as_likely_as_when_they_were_said(study, tmp_path):
    """From the photo on, all is as it was when the features were made."""
    captions = study["captions"].with_name("greedy.words.json")
    found, _ = explain(study, tmp_path, captions=captions, photos=1)
    (photo,) = found["photos"]
    said = {entry["image_id"]: entry for entry in json.loads(captions.read_text())}
    expected = said[photo["image_id"]]["log_probabilities"]
    np.testing.assert_allclose(photo["log_probabilities"], expected, atol=2e-3)
    assert photo["words"] == said[photo["image_id"]]["words"]


def test_the_share_is_of_the_object(study, tmp_path):
    """A map of the object alone lies on it, and a map of all the rest does not."""
    import recap.evaluation.explain as module

    found, _ = explain(study, tmp_path)
    photo = next(photo for photo in found["photos"] if photo["named"])
    scene = read_scenes(study["scenes"], "val")[photo["image_id"]]
    thing = scene.objects[0]
    mask = np.asarray(module.mask_of(thing).resize((SIDE, SIDE), 4)) >= 128
    cut = Preprocessing(resize=224).cut
    for map_, expected in ((mask, 1), (~mask, 0)):
        maps = word_maps.WordMaps(
            np.zeros(3), np.stack([map_.astype(np.float32)] * 3), None, np.ones((SIDE, SIDE))
        )
        (measured,) = module._measure(maps, photo["words"], scene, cut)
        assert measured["pointing"]["gradient"] == measured["share"]["gradient"] == expected


def test_photos_of_which_nothing_is_known(study, tmp_path):
    found, _ = explain(study, tmp_path, scenes=None, photos=1)
    assert found["summary"] is None
    assert "named" not in found["photos"][0]


def changed_words(study, tmp_path, change):
    entries = json.loads(study["captions"].read_text())
    change(entries)
    (tmp_path / "changed.words.json").write_text(json.dumps(entries))
    return tmp_path / "changed.words.json"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda entries: entries[0]["words"].append("gnu"), "has the word 'gnu', which the capt"),
        (lambda entries: entries[0].pop("words"), "does not hold the words of captions"),
        (lambda entries: entries[0].update(words=[]), "has no caption, or an empty one"),
        (lambda entries: entries.clear(), "has no caption, or an empty one"),
        (lambda entries: entries[0].update(image_id=5), "caption of image 5, which .* not list"),
    ],
)
def test_words_that_do_not_fit(study, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        explain(study, tmp_path, captions=changed_words(study, tmp_path, change))
    assert not list(tmp_path.glob("found*"))


def test_what_else_is_wrong(study, tmp_path):
    with pytest.raises(InputError, match="`photos` must be at least 1"):
        explain(study, tmp_path, photos=0)
    with pytest.raises(InputError, match="two are one file"):
        explain(study, tmp_path, maps_output=tmp_path / "found.json")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(InputError, match=r"jpg is not in .*empty\.zip"):
        explain(study, tmp_path, images=[tmp_path / "empty.zip"])
    with pytest.raises(InputError, match="features have 32 numbers .* trained on 3"):
        save_captioner(tmp_path / "other", replace(trained(), idx_to_word=WORDS))
        words = changed_words(
            study, tmp_path, lambda entries: [entry.update(words=["a"]) for entry in entries]
        )
        explain(study, tmp_path, captions=words, model=tmp_path / "other")
    assert not list(tmp_path.glob("found*"))
