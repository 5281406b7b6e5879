"""The configuration: its files, its schema, and what it says of mistakes."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from recap.config import check_config
from recap.decoders import Decoder
from recap.errors import InputError
from recap.recipe import Recipe

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


@pytest.mark.parametrize(("definition", "default"), [("recipe", Recipe()), ("decoder", Decoder())])
def test_the_schema_has_the_keys_and_defaults_of_the_code(definition, default):
    properties = read(SCHEMA)["$defs"][definition]["properties"]
    assert {name: rules["default"] for name, rules in properties.items()} == asdict(default)


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
    assert set(config["models"]) == {"rnn", "rnn_cs231n", "lstm_cs231n", *names}
    recipe = config["models"][names[2]]
    assert (recipe["hidden_dim"], recipe["learning_rate"]) == (512, 0.01)
    assert set(recipe) == set(asdict(Recipe()))
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
        ({"dataset": "coco"}, "`dataset` must be one of shapes, coco2014, coco2017, flickr8k, own"),
        ({"seeds": "0"}, "`seeds` must be of type list, not '0'"),
        ({"pca_components": 0}, "`pca_components` must be at least 1, not 0"),
        ({"dev_share": 1}, "`dev_share` must be less than 1, not 1"),
        ({"models": {"lstm": {"dropout": -0.1}}}, "`models.lstm.dropout` must be at least 0"),
        ({"train": ["gru"]}, "`train` names the model 'gru'"),
        ({"decoders": ["beam0"]}, "There is no decoder 'beam0'"),
        ({"decoders": ["beam3-width=2"]}, "unknown option `width`; known are length_penalty"),
        ({"decoders": [{"beam": 3}]}, "unknown key `beam` in `decoders.0`; known are beam_width"),
        ({"decoders": [{"beam_width": [3, 0]}]}, "`decoders.0.beam_width.1` must be at least 1"),
        ({"decoders": [{"temperature": 0.5}]}, "`temperature` means something only with `sample`"),
        ({"decoders": ["greedy", {"beam_width": [1, 2]}]}, "`decoders` names greedy twice"),
        ({"dataset": "own"}, "needs `own`"),
        (
            {
                "dataset": "own",
                "own": {split: {"images": "a", "annotations": "b"} for split in ("train", "val")},
            },
            "`own.train.images` is a, which does not exist",
        ),
        ({"study": "../elsewhere"}, "`study` is '../elsewhere'"),
        ({"models": {"rnn": {"backend": "numpy"}}}, "`models.rnn` asks for `dropout`"),
        (
            {"models": {"rnn": {"backend": "numpy", "dropout": 0, "self_critical_epochs": 2}}},
            "asks for `self_critical_epochs`, which `backend: numpy` does not have",
        ),
        (
            {"models": {"rnn": {"attention": True}}, "layer": "fc7"},
            "`models.rnn` asks for `attention`, which needs features of regions; set `layer: grid`",
        ),
        ({"shapes": {"train_scenes": 100}}, "512 `pca_components` cannot be found in 100 images"),
        ({"checksums": {"a.zip": "md5:1"}}, "`checksums.a.zip` is 'md5:1'; give md5:… or sha256:…"),
        ({"train": []}, "`train` is empty; give at least 1"),
        ({"seeds": [1, 1]}, "`seeds` names something twice"),
        ({"decoders": ["best"]}, "give greedy, beam3 and the like, or sample"),
        (
            {"models": {"lstm": {"hidden_dim": [256, "wide"]}}},
            "`models.lstm.hidden_dim.1` must be of type integer, not 'wide'",
        ),
        (
            {"models": {"lstm": {"dropout": [0.1, 1]}}},
            "`models.lstm.dropout.1` must be less than 1",
        ),
        (
            {"models": {"lstm": {"cell": ["lstm", "gru"]}}},
            "`models.lstm.cell.1` must be one of rnn",
        ),
        ({"models": {"lstm": {"epochs": [2, 2]}}}, "`models.lstm.epochs` names something twice"),
        ({"models": {"lstm": {"epochs": []}}}, "`models.lstm.epochs` is empty; give at least 1"),
        (
            {"models": {"lstm": {"backend": ["numpy", "torch"], "dropout": 0.5}}},
            "`models.lstm-backend=numpy` asks for `dropout`",
        ),
        ({"train": ["lstm", "lstm"]}, "`train` names something twice"),
        ({"train": ["lstm-hidden_dim=3"]}, "`train` names the model 'lstm-hidden_dim=3'"),
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
