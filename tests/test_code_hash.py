import ast
import shutil
from pathlib import Path

import pytest

from recap import code_hash as module
from recap.cli import COMMANDS
from recap.code_hash import code_hash

PACKAGE = Path(module.__file__).parent

# What every module may use, then the stages in the order in which data flows: a module imports
# from its own line and from those above it. A package stands for all of its modules.
LAYERS = [
    ["recap", "errors"],
    [
        "checks",
        "files",
        "hdf5",
        "progress",
        "threads",
        "code_hash",
        "devices",
        "python2_dict",
        "workers",
        "zip_files",
    ],
    [
        "outputs",
        "json_files",
        "sole_owner",
        "text",
        "feature_files",
        "decoders",
        "recipe",
        "sweeps",
        "config_schema",
    ],
    ["connection", "remote_file"],
    ["transfer"],
    ["annotations", "download", "images", "partial_rows", "photo_store"],
    ["datasets", "backbones", "photo_batches", "corenlp"],
    ["config", "verify_download"],
    ["features", "feature_shards", "covariance", "pca"],
    ["shared_photos"],
    ["vocabulary"],
    ["data"],
    ["verify", "verify_study", "captioned_images"],
    ["metrics", "layers", "optim", "captioners"],
    ["training_state"],
    ["epochs", "tensorboard_events"],
    ["self_critical"],
    ["search", "training"],
    ["decoding", "perplexity"],
    ["scoring"],
    ["caption"],
    ["provenance"],
    ["report"],
    ["cli", "__main__"],
]


def modules():
    return {
        ".".join(("recap", *path.relative_to(PACKAGE).with_suffix("").parts)): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports(path):
    """Return the modules of recap that a file imports, and refuse relative imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, which code_hash does not follow"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "recap"}


def layer(name):
    part = [*name.split("."), "recap"][1]
    # Names that `recap` itself defines, such as its version, are of the first layer.
    (number,) = [number for number, parts in enumerate(LAYERS) if part in parts] or [0]
    return number


# --- the order of the layers --------------------------------------------------------------------


def test_every_module_has_its_layer():
    parts = {name.split(".")[1] for name in modules()} - {"__init__"}
    listed = [part for parts in LAYERS for part in parts]
    assert len(listed) == len(set(listed))
    assert parts == set(listed) - {"recap"}


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_only_what_comes_before_it(name):
    mine = layer(name) if name != "recap.__init__" else 0
    later = {other for other in imports(modules()[name]) if layer(other) > mine}
    assert later == set()


@pytest.mark.parametrize(
    ("stage", "strangers"),
    [
        ("recap.datasets", {"vocabulary", "features", "images", "pca", "training", "report"}),
        ("recap.features", {"vocabulary", "data", "pca", "captioners", "training", "report"}),
        ("recap.pca", {"vocabulary", "data", "images", "backbones", "captioners", "report"}),
        ("recap.vocabulary", {"features", "pca", "images", "backbones", "captioners", "report"}),
        ("recap.training", {"images", "backbones", "features", "pca", "decoding", "report"}),
        ("recap.decoding", {"training", "perplexity", "scoring", "images", "report"}),
        ("recap.perplexity", {"training", "search", "decoding", "scoring", "images", "report"}),
        ("recap.scoring", {"training", "captioners", "decoding", "features", "images", "report"}),
    ],
)
def test_a_stage_does_not_depend_on_strangers(stage, strangers):
    used = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in module._sources(stage)}
    assert used & strangers == set()


# --- the fingerprint ----------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a copy of the package, of which `code_hash` speaks."""
    copy = tmp_path / "recap"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", copy)
    module._imports.cache_clear()
    yield copy
    module._imports.cache_clear()


STAGES = sorted({path.split(":")[0] for path in COMMANDS})


def hashes():
    module._imports.cache_clear()
    return {stage: code_hash(stage) for stage in STAGES}


def changed_by(path, text="\n# edited\n"):
    before = hashes()
    path.write_text(path.read_text() + text)
    after = hashes()
    return {stage for stage in STAGES if before[stage] != after[stage]}


def test_a_copy_has_the_same_fingerprint(package):
    copied = code_hash("recap.features")
    assert len(copied) == 16
    assert int(copied, 16) >= 0
    module.PACKAGE = PACKAGE
    module._imports.cache_clear()
    assert code_hash("recap.features") == copied
    assert code_hash("recap.pca") != copied


@pytest.mark.parametrize(
    ("edited", "yes", "no"),
    [
        (
            "vocabulary.py",
            {"recap.vocabulary", "recap.data", "recap.verify", "recap.training", "recap.decoding"},
            {"recap.features", "recap.pca", "recap.datasets", "recap.backbones.download"},
        ),
        ("training.py", {"recap.training"}, {"recap.features", "recap.vocabulary", "recap.data"}),
        (
            "backbones/vgg16.py",
            {"recap.features", "recap.caption"},
            {"recap.pca", "recap.vocabulary", "recap.training", "recap.datasets"},
        ),
        ("images.py", {"recap.features"}, {"recap.pca", "recap.vocabulary", "recap.training"}),
        ("report/style.css", {"recap.report.compare"}, {"recap.training", "recap.features"}),
        ("report/page.html", {"recap.report.compare"}, {"recap.training", "recap.provenance"}),
        ("report/page.js", {"recap.report.compare"}, {"recap.training", "recap.provenance"}),
        ("layers/__init__.py", set(), {"recap.features", "recap.vocabulary"}),
        ("cli.py", set(), set(STAGES)),
        # The version is no code of a stage.
        ("__init__.py", set(), set(STAGES)),
    ],
)
def test_editing_a_module_changes_what_depends_on_it_and_nothing_else(package, edited, yes, no):
    changed = changed_by(package / edited)
    assert yes <= changed
    assert changed & no == set()


def test_editing_what_all_use_changes_every_stage(package):
    assert changed_by(package / "files.py") == set(STAGES)


@pytest.mark.parametrize("path", ["errors.py", "progress.py"])
def test_editing_what_never_gets_into_results_changes_no_stage(package, path, monkeypatch):
    assert changed_by(package / path) == set()
    # All stages use it: they would change, were it not left out.
    monkeypatch.setattr(module, "WITHOUT_RESULTS", set())
    assert changed_by(package / path) >= {"recap.features", "recap.training"}


def test_editing_downloads_changes_the_stages_that_download(package):
    stages = {"recap.backbones.download", "recap.datasets.download"}
    stages |= {"recap.corenlp", "recap.verify_download"}
    assert changed_by(package / "download.py") == stages


def test_an_import_within_a_function_counts(package):
    assert "recap.pca" in changed_by(
        package / "pca.py", "\ndef late():\n    from recap.images import open_images\n"
    )
    assert "recap.pca" in changed_by(package / "images.py")


def test_a_packages_own_init_counts(package):
    assert "recap.features" in changed_by(package / "backbones" / "__init__.py")


@pytest.mark.parametrize(
    "line", ["import recap.images", "from recap import images", "import recap.images as photos"]
)
def test_every_form_of_import_is_followed(package, line):
    path = package / "files.py"
    path.write_text(f"{line}\n{path.read_text()}")
    assert "recap.pca" in changed_by(package / "images.py")


def test_modules_together(package):
    both = code_hash("recap.features", "recap.pca")
    assert both == code_hash("recap.pca", "recap.features")
    assert both not in (code_hash("recap.features"), code_hash("recap.pca"))


def test_a_renamed_module_is_another_code(package):
    before = code_hash("recap.optim")
    (package / "optim.py").rename(package / "rules.py")
    assert code_hash("recap.rules") != before


def test_an_unknown_module():
    with pytest.raises(ValueError, match=r"there is no module recap\.featurs"):
        code_hash("recap.featurs")
