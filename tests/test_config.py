"""The configuration: its files, its schema, and what it says of mistakes."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from recap.captioners.recipe import Recipe
from recap.config import check_config
from recap.errors import InputError

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULT = ROOT / "config/config.yaml"
OVERLAYS = sorted(set(ROOT.glob("config/*.yaml")) - {DEFAULT})


def read(path):
    return yaml.safe_load(path.read_text())


def merged(config, overlay):
    """Merge as Snakemake merges config files."""
    config = dict(config)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(config.get(key), dict)
        config[key] = merged(config[key], value) if both else value
    return config


def check(**overlay):
    return check_config(merged(read(DEFAULT), overlay), SCHEMA)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_every_overlay_is_valid(overlay):
    config = check(**read(overlay))
    assert config["study"] == config["dataset"]


def test_karpathys_splits_are_a_study_of_their_own():
    config = check(dataset="coco2014", split="karpathy")
    assert config["study"] == "coco2014-karpathy"
    assert check(dataset="coco2014", split="karpathy", study="mine")["study"] == "mine"


def test_defaults_are_those_of_a_minimal_config():
    config = check_config({"dataset": "shapes", "models": {"a": {}}, "train": ["a"]}, SCHEMA)
    assert config["models"]["a"] == asdict(Recipe())
    assert config["shapes"] == {"train_scenes": 2000, "val_scenes": 300, "seed": 0}
    assert config["seeds"] == [0]


def test_the_default_file_shows_every_key_with_its_default():
    written = read(DEFAULT)
    schema = read(SCHEMA)
    unmentioned = set(schema["properties"]) - set(written) - {"study", "own"}
    assert not unmentioned
    assert "# study:" in DEFAULT.read_text()
    defaults = check_config({"dataset": "shapes", "models": {"a": {}}, "train": ["a"]}, SCHEMA)
    for key in set(written) - {"models", "train"}:
        assert written[key] == defaults[key], key


def test_every_key_is_described():
    def described(properties):
        for name, rules in properties.items():
            assert "description" in rules or "$ref" in rules, name
            described(rules.get("properties", {}))

    schema = read(SCHEMA)
    described(schema["properties"])
    for definition in schema["$defs"].values():
        described(definition["properties"])


def test_recipe_and_schema_have_the_same_keys():
    properties = read(SCHEMA)["$defs"]["recipe"]["properties"]
    assert {name: rules["default"] for name, rules in properties.items()} == asdict(Recipe())


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        ({"backbon": "vgg16"}, "unknown key `backbon`"),
        ({"models": {"lstm": {"hiden_dim": 3}}}, "unknown key `hiden_dim` in `models.lstm`"),
        ({"dataset": "coco"}, "`dataset` must be one of shapes, coco2014, coco2017, flickr8k, own"),
        ({"seeds": "0"}, "`seeds` must be of type list, not '0'"),
        ({"pca_components": 0}, "`pca_components` must be at least 1, not 0"),
        ({"dev_share": 1}, "`dev_share` must be less than 1, not 1"),
        ({"models": {"lstm": {"dropout": -0.1}}}, "`models.lstm.dropout` must be at least 0"),
        ({"train": ["gru"]}, "`train` names the model 'gru'"),
        ({"decoders": ["beam0"]}, "`decoders.0` is 'beam0'"),
        ({"dataset": "own"}, "needs `own`"),
        (
            {
                "dataset": "own",
                "own": {split: {"images": "a", "annotations": "b"} for split in ("train", "val")},
            },
            "`own.train.images` is a, which does not exist",
        ),
        ({"study": "../elsewhere"}, "`study` is '../elsewhere'"),
        ({"models": {"rnn": {"backend": "numpy"}}}, "`models.rnn` asks for dropout"),
        ({"shapes": {"train_scenes": 100}}, "512 `pca_components` cannot be found in 100 images"),
        ({"train": []}, "`train` is empty; give at least 1"),
        ({"seeds": [1, 1]}, "`seeds` names something twice"),
        ({"decoders": ["best"]}, "give greedy, or beam3 and the like"),
        ({"own": {"train": {"images": "a", "annotations": "b"}}}, "has `train` but not `val`"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(overlay, sentence):
    with pytest.raises(InputError) as caught:
        check(**overlay)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


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
    assert check(spice="true")["spice"] is True
    assert config["seeds"] == [0, 1]
    assert config["vocabulary"]["size"] == 10
    assert config["models"]["lstm"]["dropout"] == 0.1
    with pytest.raises(InputError, match="must be of type integer, not 'one'"):
        check(seeds=["one"])
