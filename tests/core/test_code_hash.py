import re
import shutil
from pathlib import Path

import pytest

from recap.cli import COMMANDS
from recap.core import code_hash as module
from recap.core.code_hash import code_hash

PACKAGE = Path(module.__file__).parents[1]

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
    copied = code_hash("recap.features.extract")
    assert len(copied) == 16
    assert int(copied, 16) >= 0
    module.PACKAGE = PACKAGE
    module._imports.cache_clear()
    assert code_hash("recap.features.extract") == copied
    assert code_hash("recap.features.pca") != copied


@pytest.mark.parametrize(
    ("edited", "yes", "no"),
    [
        (
            "captions/words.py",
            {
                "recap.captions.vocabulary",
                "recap.captions.encode",
                "recap.captioners.verify",
                "recap.training.train",
                "recap.evaluation.generate",
            },
            {
                "recap.features.extract",
                "recap.features.pca",
                "recap.datasets",
                "recap.downloads",
            },
        ),
        (
            "training/train.py",
            {"recap.training.train"},
            {"recap.features.extract", "recap.captions.vocabulary", "recap.captions.encode"},
        ),
        (
            "backbones/vgg16.py",
            {"recap.features.extract", "recap.report.photos.caption"},
            {
                "recap.features.pca",
                "recap.captions.vocabulary",
                "recap.training.train",
                "recap.datasets",
            },
        ),
        (
            "core/images.py",
            {"recap.features.extract"},
            {"recap.features.pca", "recap.captions.vocabulary", "recap.training.train"},
        ),
        (
            "report/style.css",
            {"recap.report.captioning.compare"},
            {"recap.training.train", "recap.features.extract"},
        ),
        (
            "report/captioning/page.html",
            {"recap.report.captioning.compare"},
            {"recap.training.train", "recap.report.captioning.record"},
        ),
        (
            "report/captioning/page.js",
            {"recap.report.captioning.compare"},
            {"recap.training.train", "recap.report.captioning.record"},
        ),
        (
            "captioners/layers/__init__.py",
            set(),
            {"recap.features.extract", "recap.captions.vocabulary"},
        ),
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
    # What a student wrote is checked without making a file.
    assert changed_by(package / "core/files.py") == set(STAGES) - {"recap.cs231n.check"}


@pytest.mark.parametrize("path", ["core/errors.py", "core/progress.py"])
def test_editing_what_never_gets_into_results_changes_no_stage(package, path, monkeypatch):
    assert changed_by(package / path) == set()
    # All stages use it: they would change, were it not left out.
    monkeypatch.setattr(module, "EXCLUDED", set())
    assert changed_by(package / path) >= {"recap.features.extract", "recap.training.train"}


def test_editing_downloads_changes_the_stages_that_download(package):
    # The steps of vision fetch the weights that they are used without.
    changed = changed_by(package / "core/fetch.py")
    assert {stage for stage in changed if "vision" not in stage} == {"recap.downloads"}


def test_an_import_within_a_function_counts(package):
    assert "recap.features.pca" in changed_by(
        package / "features/pca.py",
        "\ndef late():\n    from recap.core.images import ImageStore\n",
    )
    assert "recap.features.pca" in changed_by(package / "core/images.py")


def test_a_packages_own_init_counts(package):
    assert "recap.features.extract" in changed_by(package / "backbones" / "__init__.py")


@pytest.mark.parametrize(
    "line",
    [
        "import recap.core.images",
        "from recap.core import images",
        "import recap.core.images as photos",
    ],
)
def test_every_form_of_import_is_followed(package, line):
    path = package / "core/files.py"
    path.write_text(f"{line}\n{path.read_text()}")
    assert "recap.features.pca" in changed_by(package / "core/images.py")


def test_modules_together(package):
    both = code_hash("recap.features.extract", "recap.features.pca")
    assert both == code_hash("recap.features.pca", "recap.features.extract")
    assert both not in (code_hash("recap.features.extract"), code_hash("recap.features.pca"))


def test_a_renamed_module_is_another_code(package):
    before = code_hash("recap.captioners.optim")
    (package / "captioners/optim.py").rename(package / "captioners/rules.py")
    assert code_hash("recap.captioners.rules") != before


def test_an_unknown_module():
    with pytest.raises(ValueError, match=r"there is no module recap\.featurs"):
        code_hash("recap.featurs")


def test_an_excluded_module_that_is_no_more(monkeypatch):
    monkeypatch.setattr(module, "EXCLUDED", {"recap", "recap.errors"})
    with pytest.raises(ValueError, match=r"there is no module recap\.errors to exclude"):
        code_hash("recap.features.pca")


def test_every_data_file_belongs_to_a_stage():
    data = {path for path in PACKAGE.rglob("*.*") if path.suffix not in {".py", ".pyc"}}
    # No stage of the workflow takes the captioner that comes with recap.
    pretrained = {path for path in data if path.is_relative_to(PACKAGE / "pretrained")}
    sources = {path for stage in STAGES for path in module._sources(stage)}
    assert sources >= data - pretrained != set()
    assert not sources & pretrained


def test_a_template_in_a_folder_of_its_own(package):
    folder = package / "report/templates"
    folder.mkdir()
    (package / "report/style.css").rename(folder / "style.css")
    page = r"recap\.report\.\w+\.(compare|link_reports|caption)"
    pages = {stage for stage in STAGES if re.fullmatch(page, stage)}
    assert changed_by(folder / "style.css") == pages
    assert len(pages) > 1


@pytest.mark.parametrize(
    ("edited", "stage"),
    [
        ("datasets/list_images.py", "recap.training.train"),
        ("features/gather.py", "recap.features.extract"),
        ("features/pca.py", "recap.training.train"),
        ("captions/encode.py", "recap.training.train"),
    ],
)
def test_a_step_that_another_does_not_use(package, edited, stage):
    """Each makes a file that the other reads, at most: the bytes decide, not the code."""
    changed = changed_by(package / edited)
    assert changed
    assert stage not in changed
