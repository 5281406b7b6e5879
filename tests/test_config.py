"""The configuration: its files, its schema, and what it says of mistakes."""

import importlib
import inspect
import json
import math
import re
from copy import deepcopy
from dataclasses import fields
from datetime import date
from functools import cache
from pathlib import Path

import pytest
import yaml

from recap.captioners.recipe import Recipe
from recap.captioners.verify import COURSE
from recap.cli import COMMANDS
from recap.config import OPTIONS, check_config
from recap.config_schema import schema_of, table_of
from recap.core.errors import InputError
from recap.generative.recipe import GAN
from recap.vision.settings import METHODS

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
README = ROOT / "config/README.md"
DEFAULT = ROOT / "config/config.yaml"
MINIMAL = {"dataset": "shapes", "models": {"a": {}}, "train": ["a"]}
OVERLAYS = sorted(set(ROOT.glob("config/*.yaml")) - {DEFAULT})


@cache
def parsed(path):
    return yaml.safe_load(path.read_text())


def read(path):
    return deepcopy(parsed(path))


def merged(config, overlay):
    """Merge as Snakemake merges config files."""
    config = dict(config)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(config.get(key), dict)
        config[key] = merged(config[key], value) if both else value
    return config


def check(**overlay):
    return check_config(merged(read(DEFAULT), overlay), SCHEMA)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Return a folder that has the names of the course's files, beside which we are."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "coco_captioning"
    folder.mkdir()
    for name in COURSE:
        (folder / name).touch()
    return folder


def write_captions(path, images, captions=2):
    """Write a COCO caption file of so many images."""
    listed = [{"id": number, "file_name": f"{number}.jpg"} for number in range(images)]
    said = [{"image_id": n, "caption": "a dog"} for n in range(images) for _ in range(captions)]
    path.write_text(json.dumps({"images": listed, "annotations": said}))


@pytest.fixture
def photos(course):
    """Return a folder with what config/own.yaml names, beside which we are."""
    for split, images in (("train", 45), ("val", 12)):
        (course.parent / "photos" / split).mkdir(parents=True)
        write_captions(course.parent / f"photos/{split}.json", images)
    return course.parent / "photos"


def test_all_missing_keys_are_told_at_once_with_where_they_are():
    told = "Configuration: the file lacks `models`, `train`; start from a copy of recap's config"
    with pytest.raises(InputError, match=re.escape(told)) as raised:
        check_config({"dataset": "shapes"}, SCHEMA)
    assert str(raised.value).count("lacks") == 1


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_every_overlay_is_valid(overlay, photos):
    config = check(**read(overlay))
    assert config["study"] == config["dataset"]


def test_few_photos_of_your_own_are_told_with_their_numbers(photos, capsys):
    config = check(**read(ROOT / "config/own.yaml"))
    assert config["pca_components"] == 45 // 2
    told = capsys.readouterr().err
    assert "45 photos (90 captions) to learn from and 12 photos (24 captions) to score" in told
    assert len(told.splitlines()) == 1
    write_captions(photos / "train.json", 1000)
    write_captions(photos / "val.json", 100)
    assert check(**read(ROOT / "config/own.yaml"))["pca_components"] == 500
    assert capsys.readouterr().err == ""
    # What is wrong with a file, its stage tells.
    (photos / "train.json").write_text("{}")
    assert check(**read(ROOT / "config/own.yaml"))["pca_components"] == 512


@pytest.mark.parametrize(
    ("overlay", "components"),
    [
        ({}, 512),
        ({"shapes": {"train_scenes": 100}}, 50),
        ({"backbone": "squeezenet1_0", "layer": "conv1"}, 192),
        ({"dataset": "coco2014"}, 512),
        ({"dataset": "coco2014", "max_images": 300}, 150),
        ({"shapes": {"train_scenes": 2}, "max_images": 1}, 1),
    ],
)
def test_components_are_chosen_by_the_photos_and_the_layer(overlay, components):
    assert check(**overlay, pca_components="auto")["pca_components"] == components


def test_a_choice_of_images_comes_before_what_is_given(course, own):
    for change in ({"max_images": 5}, {"words": "characters"}):
        with pytest.raises(InputError, match="`(max_images|words)` is chosen before features"):
            check(dataset="course", course=str(course), **change)
    for files in own["own"].values():
        files["features"] = files["annotations"]
    with pytest.raises(InputError, match="`max_images` is chosen before features"):
        check(**own, max_images=5)
    check(**own, words="characters")


def test_karpathys_splits_are_a_study_of_their_own():
    config = check(dataset="coco2014", split="karpathy")
    assert config["study"] == "coco2014-karpathy"
    assert check(dataset="coco2014", split="karpathy", study="mine")["study"] == "mine"


def test_defaults_are_those_of_a_minimal_config():
    config = check_config(MINIMAL, SCHEMA)
    assert Recipe(**config["models"]["a"]) == Recipe()
    assert config["shapes"] == {"train_scenes": 2000, "val_scenes": 300, "seed": 0}
    assert config["seeds"] == [0]


def test_the_default_file_shows_every_key_with_its_default():
    written = read(DEFAULT)
    schema = read(SCHEMA)
    unmentioned = set(schema["properties"]) - set(written) - {"study", "own"}
    assert not unmentioned
    assert "# study:" in DEFAULT.read_text()
    defaults = check_config(MINIMAL, SCHEMA)
    for key in set(written) - {"models", "train", "vision", "generative"}:
        assert written[key] == defaults[key], key
    assert written["vision"].keys() == defaults["vision"].keys()
    library = {"gans", "train"}
    assert written["generative"].keys() == defaults["generative"].keys()
    for key in set(written["generative"]) - library:
        assert written["generative"][key] == defaults["generative"][key], key
    # The default study makes small pictures.
    smaller = {"classes", "inversion", "dreams", "style"}
    for key in set(written["vision"]) - smaller:
        assert check()["vision"][key] == defaults["vision"][key], key


def test_every_key_is_described():
    def described(properties):
        for name, rules in properties.items():
            assert "description" in rules or "$ref" in rules, name
            described(rules.get("properties", {}))

    schema = read(SCHEMA)
    described(schema["properties"])
    for definition in schema["$defs"].values():
        described(definition["properties"])


@pytest.mark.parametrize("options", [*OPTIONS.values(), *METHODS.values()])
def test_the_readme_has_a_table_of_the_options(options):
    table = table_of(options)
    pages = {GAN: "docs/generative.md"} | dict.fromkeys(METHODS.values(), "docs/vision.md")
    page = ROOT / pages.get(options, "config/README.md")
    assert table in page.read_text(), f"put into {page.name} what the code says:\n{table}"
    assert [line.count("|") for line in table.splitlines()] == [5] * (len(fields(options)) + 2)


# What the configuration calls otherwise.
SETTINGS = {
    ("prepare_annotations", "splits"): "split",
    ("extract_features", "precision"): "feature_precision",
    ("extract_features", "batch"): "feature_batch",
    ("list_shards", "batch"): "feature_batch",
    ("fit_pca", "components"): "pca_components",
    ("train_captioner", "seed"): "seeds",
    ("generate_captions", "decoder"): "decoders",
    ("explain_captions", "photos"): "explained_photos",
    ("caption", "decoder"): "decoders",
}
# What it does not set, or means otherwise.
NO_SETTINGS = {
    ("list_images", "components"),  # zero looks for none; it is asked for your own photos only
    ("list_images", "regions"),
    ("list_shards", "shards"),  # set by `--set-scatter`
    ("train_captioner", "dataset"),  # has no default
    ("score_captions", "subset"),
    ("score_captions", "format"),
    ("record_provenance", "ensembles"),  # whether one that is there takes part
    ("compare_captioners", "ensembles"),
    ("compare_captioners", "output"),
    ("compare_captioners", "seed"),  # of the bootstrap
    ("choose_captions", "seed"),
    ("caption", "best"),
    ("caption", "format"),
    ("caption", "weights"),  # empty for those of the components' file
    ("export_captioner", "weights"),
    ("verify", "course"),
    ("check", "seconds"),
}


def options_with_defaults():
    """Yield each stage and option, with its default; None stands for what is left out.

    The commands of vision look at a photo of yours, its study at drawn scenes; those of digits have
    options of the same names as captioning has.
    """
    for path in COMMANDS:
        module, _, name = path.rpartition(":")
        if module.startswith(("recap.vision.", "recap.generative.", "recap.datasets.digits.")):
            continue
        function = getattr(importlib.import_module(module), name)
        for option, parameter in inspect.signature(function).parameters.items():
            if parameter.default not in (parameter.empty, None):
                yield name, option, parameter.default


def test_the_defaults_of_the_commands_are_those_of_the_configuration():
    settings = check_config(MINIMAL, SCHEMA)
    settings |= settings["vocabulary"] | settings["shapes"]
    options = {(stage, option): value for stage, option, value in options_with_defaults()}
    assert options.keys() >= SETTINGS.keys() | NO_SETTINGS
    for (stage, option), default in options.items():
        if (stage, option) in NO_SETTINGS:
            continue
        setting = settings[SETTINGS.get((stage, option), option)]
        # Of what the configuration has in a list, a command takes one.
        allowed = setting if isinstance(setting, list) else [setting]
        assert default in allowed, f"{stage}: {option}"


def test_a_painting_has_the_options_of_style_and_its_own():
    styles = {"a": {"picture": __file__, "steps": 7}}
    vision = check(vision={"style": {"size": 100}, "styles": styles})["vision"]
    assert vision["styles"]["a"] == vision["style"] | {"picture": __file__, "steps": 7}
    assert (vision["style"]["size"], vision["styles"]["a"]["size"]) == (100, 100)


def test_a_list_makes_a_model_of_each_of_its_items():
    sweep = {"hidden_dim": [256, 512], "learning_rate": [0.01, 0.0005]}
    config = check(models={"lstm": sweep}, train=["rnn", "lstm"])
    names = [
        "lstm-hidden_dim=256-learning_rate=0.01",
        "lstm-hidden_dim=256-learning_rate=0.0005",
        "lstm-hidden_dim=512-learning_rate=0.01",
        "lstm-hidden_dim=512-learning_rate=0.0005",
    ]
    assert config["train"] == ["rnn", *names]
    assert set(config["models"]) == {
        "rnn",
        "gru",
        "rnn_cs231n",
        "lstm_cs231n",
        "transformer_cs231n",
        *names,
    }
    recipe = config["models"][names[2]]
    assert (recipe["hidden_dim"], recipe["learning_rate"]) == (512, 0.01)
    assert recipe == Recipe(**recipe).settings()
    assert check(models={"lstm": sweep}, train=names[1:2])["train"] == names[1:2]
    # Numbers that the command line hands over as text.
    typed = check(models={"lstm": {"hidden_dim": ["256", "512"]}}, train=["lstm"])
    assert typed["train"] == ["lstm-hidden_dim=256", "lstm-hidden_dim=512"]


def test_decoders_are_named_or_described():
    options = {"beam_width": [3, 5], "length_penalty": [0.8, 1], "block_ngrams": 3}
    sample = {"sample": True, "temperature": 0.5}
    config = check(decoders=["greedy", "beam1-block_ngrams=2", options, sample])
    assert config["decoders"] == [
        "greedy",
        "greedy-block_ngrams=2",
        "beam3-block_ngrams=3",
        "beam3-length_penalty=1-block_ngrams=3",
        "beam5-block_ngrams=3",
        "beam5-length_penalty=1-block_ngrams=3",
        "sample-temperature=0.5",
    ]


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        ({"backbon": "vgg16"}, "unknown key `backbon`"),
        ({"models": {"lstm": {"hiden_dim": 3}}}, "unknown key `hiden_dim` in `models.lstm`"),
        (
            {"dataset": "coco"},
            "`dataset` must be one of shapes, coco2014, coco2017, coco_small, flickr8k, own",
        ),
        ({"seeds": "0"}, "`seeds` must be a list, not '0'; write [0]"),
        ({"pca_components": 0}, "`pca_components` must be at least 1, not 0"),
        ({"dev_share": 1}, "`dev_share` must be less than 1, not 1"),
        ({"models": {"lstm": {"dropout": -0.1}}}, "`models.lstm.dropout` must be at least 0"),
        ({"train": ["cnn"]}, "`train` names the model 'cnn'"),
        ({"decoders": ["beam0"]}, "There is no decoder 'beam0'"),
        ({"decoders": ["beam3-width=2"]}, "unknown option `width`; known are length_penalty"),
        ({"decoders": ["beam3-neighbours=5"]}, "`neighbours` means something only with `mbr`"),
        ({"decoders": [{"beam": 3}]}, "unknown key `beam` in `decoders.0`; known are beam_width"),
        ({"decoders": [{"beam_width": [3, 0]}]}, "`decoders.0.beam_width.1` must be at least 1"),
        ({"decoders": [{"temperature": 0.5}]}, "`temperature` means something only with `sample`"),
        ({"decoders": ["greedy", {"beam_width": [1, 2]}]}, "`decoders` names greedy twice"),
        ({"dataset": "own"}, "`dataset: own` needs `own`, with the images"),
        ({"study": "../elsewhere"}, "`study` is '../elsewhere'"),
        (
            {"models": {"rnn": {"backend": "numpy"}}},
            "`models.rnn`: The captioner in NumPy has no `dropout`",
        ),
        (
            {"models": {"rnn": {"backend": "numpy", "dropout": 0, "self_critical_epochs": 2}}},
            "has no `self_critical_epochs`: leave it out or set `backend: torch`",
        ),
        (
            {"models": {"rnn": {"attention": True}}, "layer": "fc7"},
            "`models.rnn`: `attention` needs features of regions: set `layer: grid`",
        ),
        ({"shapes": {"train_scenes": 100}}, "512 `pca_components` cannot be found in 100 images"),
        ({"checksums": {"a.zip": "md5:1"}}, "`checksums.a.zip` is 'md5:1'; give md5:… or sha256:…"),
        ({"train": []}, "`train` is empty; give at least 1"),
        ({"seeds": [1, 1]}, "`seeds` names something twice"),
        ({"decoders": ["best"]}, "give greedy, beam3 or mbr20 and the like, or sample"),
        (
            {"models": {"lstm": {"hidden_dim": [256, "wide"]}}},
            "`models.lstm.hidden_dim.1` must be a whole number, not 'wide'",
        ),
        (
            {"models": {"lstm": {"dropout": [0.1, 1]}}},
            "`models.lstm.dropout.1` must be less than 1",
        ),
        (
            {"models": {"lstm": {"architecture": ["lstm", "cnn"]}}},
            "`models.lstm.architecture.1` must be one of rnn, gru, lstm, transformer, not 'cnn'",
        ),
        ({"models": {"lstm": {"epochs": [2, 2]}}}, "`models.lstm.epochs` names something twice"),
        ({"models": {"lstm": {"epochs": []}}}, "`models.lstm.epochs` is empty; give at least 1"),
        (
            {"models": {"lstm": {"backend": ["numpy", "torch"], "dropout": 0.5}}},
            "`models.lstm-backend=numpy`: The captioner in NumPy has no `dropout`",
        ),
        ({"train": ["lstm", "lstm"]}, "`train` names something twice"),
        ({"train": ["lstm-hidden_dim=3"]}, "`train` names the model 'lstm-hidden_dim=3'"),
        ({"own": {"train": {"images": "a", "annotations": "b"}}}, "has `train` but not `val`"),
        ({"train": "rnn"}, "`train` must be a list, not 'rnn'; write [rnn]"),
        ({"train": [""]}, "`train` names the model ''"),
        ({"decoders": [""]}, "There is no decoder ''"),
        ({"models": {"rnn": None}}, "`models.rnn` must be a mapping, not None"),
        # NaN is neither below nor above any bound.
        ({"dev_share": math.nan}, "`dev_share` must be a finite number, not nan"),
        ({"dev_share": "nan"}, "`dev_share` must be a finite number, not nan"),
        ({"dev_share": 0}, "`dev_share` must be more than 0, not 0"),
        ({"pca_components": math.inf}, "`pca_components` must be a whole number, not inf"),
        (
            {"models": {"lstm": {"learning_rate": math.nan}}},
            "`models.lstm.learning_rate` must be a finite number, not nan",
        ),
        (
            {"models": {"lstm": {"weight_decay": [0.1, math.inf]}}},
            "`models.lstm.weight_decay.1` must be a finite number, not inf",
        ),
        (
            {"models": {"lstm": {"weight_decay": 10**400}}},
            "`models.lstm.weight_decay` must be a finite number",
        ),
        ({"models": {"lstm": {"epochs": 2.5}}}, "`models.lstm.epochs` must be a whole number"),
        ({"models": {"lstm": {"epochs": True}}}, "must be a whole number, not True"),
        ({"models": {"lstm": {"attention": 1}}}, "must be true or false, not 1"),
        ({"seeds": [True]}, "`seeds.0` must be a whole number, not True"),
        ({"seeds": [-1]}, "`seeds.0` must be at least 0, not -1"),
        ({"vision": {"network": "alexnet"}}, "`vision.network` must be one of scenes, squeezenet"),
        ({"vision": {"classifier": {"epochs": 0}}}, "`vision.classifier.epochs` must be at least"),
        ({"vision": {"classifier": {"epochs": [1, 2]}}}, "must be a whole number, not [1, 2]"),
        ({"vision": {"photos": ["no.jpg"]}}, "`vision.photos.0` is no.jpg, which does not exist"),
        ({"vision": {"styles": {"a": {}}}}, "`vision.styles.a` lacks `picture`"),
        ({"vision": {"styles": {"a": {"picture": "b"}}}}, "`vision.styles.a.picture` is b, which"),
        (
            {"vision": {"styles": {"a": {"picture": __file__, "steps": -1}}}},
            "`vision.styles.a.steps` must be at least",
        ),
        ({"vision": {"weights": "{a}.pth"}}, "`vision.weights` is {a}.pth, and Snakemake takes"),
        ({"vision": {"study": "shapes"}}, "`vision.study` and `study` are both shapes: give one"),
        ({"shapes": {"train_scenes": 10**9}}, "`shapes.train_scenes` must be at most"),
        ({"feature_batch": 2**64}, "`feature_batch` must be at most 65536"),
        ({"seeds": [10**400]}, "`seeds.0` must be a whole number"),
        ({"seeds": [2**64]}, "`seeds.0` must be at most 4294967295"),
        ({"seeds": ["[1"]}, "`seeds.0` must be a whole number, not '[1'"),
        ({"feature_batch": 20}, "`feature_batch` must be a multiple of 16, not 20"),
        ({"feature_batch": "many"}, "`feature_batch` must be a whole number, not 'many'"),
        ({"max_words": 0}, "`max_words` must be at least 1, not 0"),
        ({"max_words": 10**9}, "`max_words` must be at most 1000"),
        ({"vocabulary": {"size": 0}}, "`vocabulary.size` must be at least 1"),
        ({"ensemble": True}, "`ensemble` needs several `seeds`"),
        ({"study": "a\n"}, "`study` is 'a\\n'"),
        ({"models": {"a\n": {}}}, "`models` is 'a\\n'; use letters, digits, - and _ alone"),
        ({"weights": ""}, "`weights` is empty"),
        ({"train": " "}, "`train` must be a list, not ' '."),
        ({"study": "a" * 101}, "`study` has 101 characters; it may have 100"),
        ({"checksums": {"a.zip": f"md5:{'0' * 32}\n"}}, "give md5:… or sha256:…"),
        ({"study": 1.5}, "`study` must be text, not 1.5; put it in quotes"),
        ({"study": True}, "`study` must be text, not True; put it in quotes"),
        ({"layer": "fc9"}, "vgg16 has no layer 'fc9'"),
        ({"pca_components": 5000}, "5000 `pca_components` cannot be found in the 4096 numbers"),
        (
            {"backbone": "squeezenet1_0", "layer": "conv1", "pca_components": 193},
            "in the 192 numbers that the layer conv1 has; lower it to 192",
        ),
        ({"layer": "grid", "pca_components": 513}, "in the 512 numbers"),
        (
            {"layer": "grid", "pca_components": 100, "shapes": {"train_scenes": 2}},
            "cannot be found in 2 images; lower it to 98, or raise `shapes.train_scenes` to 3",
        ),
        (
            {"layer": "grid", "models": {"rnn": {"backend": "numpy", "dropout": 0}}},
            "`models.rnn`: The captioner in NumPy needs features of whole images: set another",
        ),
        ({"decoders": ["beam3-length_penalty=1", "beam3-length_penalty=1.0"]}, "names beam3-len"),
        (
            {
                "models": {
                    "lstm": {
                        name: [0.000123456789]
                        for name in Recipe.__annotations__
                        if name.endswith(("rate", "dropout", "decay"))
                    }
                },
                "layer": "grid",
                "train": ["lstm"],
                "decoders": ["sample-temperature=0.123456789-nucleus=0.123456789-seed=123456"],
            },
            "too long for a file; vary fewer options in lists",
        ),
    ],
)
def test_a_mistake_is_told_in_a_sentence(overlay, sentence):
    with pytest.raises(InputError) as caught:
        check(**overlay)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def own(tmp_path):
    """Return the overlay of a study of own data with three splits."""
    for split in ("train", "val", "dev"):
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}.json").write_text("{}")
    splits = {
        split: {"images": str(tmp_path / split), "annotations": str(tmp_path / f"{split}.json")}
        for split in ("train", "val", "dev")
    }
    return {"dataset": "own", "own": splits}


def test_own_data(own):
    assert check(**own)["own"] == own["own"]
    # To learn what is scored is at times meant; the first job that reads both says so.
    own["own"]["val"] = own["own"]["train"]
    check(**own)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dataset": "shapes"}, "`own` describes your photos, but `dataset` is shapes"),
        ({"split": "karpathy"}, "`split` is of data sets with published splits"),
        ({"own": {"val": {"images": "none"}}}, "`own.val.images` is 'none', which does not exist"),
        ({"own": {"val": {"images": "a" * 5000}}}, "aaaaa', which does not exist"),
        ({"own": {"val": {"images": ""}}}, "`own.val.images` is empty"),
        (
            {"own": {"val": {"images": __file__}}},
            "test_config.py', which is neither a folder nor a zip archive",
        ),
        ({"own": {"val": {"annotations": str(ROOT)}}}, "which is no file"),
        ({"own": {"val": {"categories": str(ROOT)}}}, "`own.val.categories` is"),
    ],
)
def test_mistakes_in_own_data(own, change, sentence):
    with pytest.raises(InputError) as caught:
        check(**merged(own, change))
    assert sentence in str(caught.value)


def test_own_features_stand_in_place_of_photos(own, tmp_path):
    for files in own["own"].values():
        files["features"] = files["annotations"]
        del files["images"]
    # They may have more numbers than the backbone has.
    check(**own, pca_components=5000)
    del own["own"]["val"]["features"]
    with pytest.raises(InputError, match="`own.train` has `features`, but not every split has"):
        check(**own)
    for files in own["own"].values():
        files.pop("features", None)
    with pytest.raises(InputError, match="`own.train` needs `images`, or `features` in their"):
        check(**own)


def test_what_is_scored_does_not_choose_the_checkpoint(own, tmp_path):
    (tmp_path / "link.json").symlink_to("val.json")
    for name in ("val.json", "link.json", "dev/../val.json"):
        own["own"]["dev"]["annotations"] = str(tmp_path / name)
        with pytest.raises(InputError, match="`own.dev` and `own.val` have the same annotations"):
            check(**own)


def test_mistakes_in_the_course_files(course):
    def mistake(**overlay):
        with pytest.raises(InputError, match="Configuration: ") as caught:
            check(**overlay)
        return str(caught.value)

    assert check(dataset="course", course=str(course))["study"] == "course"
    assert "`dataset: course` needs `course`" in mistake(dataset="course")
    assert "but `dataset` is shapes; set `dataset: course`" in mistake(course="coco_captioning")
    mine = {"dataset": "course", "course": "coco_captioning"}
    assert "`split` is of data sets" in mistake(**mine, split="karpathy")
    assert "aaa', which does not exist" in mistake(dataset="course", course="a" * 5000)
    (course / "val2014_urls.txt").unlink()
    assert "coco_captioning has no val2014_urls.txt" in mistake(**mine)
    course.rename("{coco}")
    assert "{coco} has no" in mistake(dataset="course", course="{coco}")


@pytest.mark.parametrize("definition", ["recipe", "decoder"])
def test_the_schema_has_the_bounds_of_the_code(definition):
    """At a bound of the schema the code takes a value, too, and beyond it neither does."""
    make = OPTIONS[definition]
    needed = {"length_penalty": {"beam_width": 2}}
    needed["neighbours"] = {"beam_width": 2, "mbr": True}
    needed |= dict.fromkeys(["temperature", "nucleus", "seed"], {"sample": True})
    transformer = {"architecture": "transformer", "wordvec_dim": 65_536}
    needed |= dict.fromkeys(["layers", "heads"], transformer)
    tried = 0
    for name, rules in schema_of(make)["properties"].items():
        rules = rules["else"]
        step = 1 if rules.get("type") == "integer" else 1e-9
        taken, refused = [], []
        for bound, beyond in (("minimum", -step), ("maximum", step)):
            if bound in rules:
                taken.append(rules[bound])
                refused.append(rules[bound] + beyond)
            exclusive = "exclusive" + bound.capitalize()
            if exclusive in rules:
                taken.append(rules[exclusive] - beyond)
                refused.append(rules[exclusive])
        for value in taken:
            make(**needed.get(name, {}), **{name: value})
        for value in refused:
            with pytest.raises(InputError, match=f"`{name}` must be"):
                make(**needed.get(name, {}), **{name: value})
        tried += len(refused)
    assert tried >= 9


def test_each_region_of_a_scene_counts_for_its_components():
    few = {"layer": "grid", "pca_components": 98, "shapes": {"train_scenes": 2}}
    assert check(**few)["pca_components"] == 98


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InputError) as caught:
        check(backbon="vgg16", pca_components=0)
    assert "backbon" in str(caught.value)
    assert "pca_components" in str(caught.value)


def test_checking_leaves_the_given_config_alone():
    config = read(DEFAULT)
    check_config(config, SCHEMA)
    assert config == read(DEFAULT)


def test_numbers_and_truths_of_the_command_line_are_read():
    config = check(seeds=["0", "1"], vocabulary={"size": "10"}, models={"lstm": {"dropout": "0.1"}})
    assert check(ensemble="false")["ensemble"] is False
    assert check(feature_batch="32")["feature_batch"] == 32
    assert config["seeds"] == [0, 1]
    assert config["vocabulary"]["size"] == 10
    assert config["models"]["lstm"]["dropout"] == 0.1
    with pytest.raises(InputError, match="must be a whole number, not 'one'"):
        check(seeds=["one"])


def test_a_whole_number_may_be_written_with_a_point():
    config = check(
        seeds=[1.0], models={"lstm": {"epochs": 2.0, "hidden_dim": [64.0, "128.0"]}}, train=["lstm"]
    )
    assert config["train"] == ["lstm-hidden_dim=64", "lstm-hidden_dim=128"]
    assert repr(config["seeds"]) == "[1]"
    assert repr(config["models"]["lstm-hidden_dim=64"]["epochs"]) == "2"


def test_numbers_that_yaml_takes_for_text():
    models = yaml.safe_load("{lstm: {learning_rate: 1e-3}}")
    assert models["lstm"]["learning_rate"] == "1e-3"
    assert check(models=models)["models"]["lstm"]["learning_rate"] == 0.001


def test_a_key_without_a_value_is_left_out():
    config = check(**yaml.safe_load("{mirror: , urls: , vocabulary: {size: }, study: }"))
    assert (config["mirror"], config["urls"], config["study"]) == ("", {}, "shapes")
    assert config["vocabulary"]["size"] == 1000


def test_whole_numbers_are_names(capsys):
    config = check(study=2024, weights=7, models={2024: {}}, train=[2024])
    assert (config["study"], config["weights"], config["train"]) == ("2024", "7", ["2024"])
    assert (
        "`study` is a number to YAML, and is taken as the name 2024; if" in capsys.readouterr().err
    )
    assert check(study=date(2024, 1, 2))["study"] == "2024-01-02"


@pytest.mark.parametrize(
    ("text", "read"), [("2024_01", 202401), ("007", 7), ("1.50", 1.5), ("1e3", 1e3), ("True", True)]
)
def test_a_name_on_the_command_line_is_what_was_typed(text, read, capsys):
    config = merged(yaml.safe_load(DEFAULT.read_text()), {"study": read})
    assert check_config(config, SCHEMA, [f"study={text}", "seeds=[0]"])["study"] == text
    assert capsys.readouterr().err == ""
    # What was typed for another workflow, of which this one is a module, is not this one's.
    assert check_config(config | {"study": 5}, SCHEMA, [f"study={text}"])["study"] == "5"


def test_spice_needs_a_checksum_of_what_it_runs():
    with pytest.raises(InputError, match=r"SPICE runs programs .* `sha256sum` prints"):
        check(spice=True)
    name = "stanford-corenlp-full-2015-12-09.zip"
    assert check(spice=True, checksums={name: "sha256:" + "0" * 64})["spice"]
