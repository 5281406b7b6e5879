"""The workflow as a user runs it: whole, again, after edits, after accidents, on other data."""

import json
import os
import re
import shlex
import shutil
import signal
import time
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import yaml
from miniatures import PHOTOS, photo

from recap.cs231n.coco_utils import load_coco_data
from recap.report.verify_study import verify_study

pytestmark = pytest.mark.slow

DOWNLOAD = {"draw_shapes", "prepare_annotations", "download"}
REDUCE = {"sum_features", "fit_pca", "apply_pca", "gather_features"}
EXTRACT = {"list_shards", "extract_features", *REDUCE}
ENCODE = {"build_vocabulary", "encode_captions", "list_images"}
DECODE = {"generate_captions", "score_captions"}
EVALUATE = {*DECODE, "measure_perplexity", "explain_captions"}
SHARED = {
    "draw_shapes",
    "prepare_annotations",
    "prepare_categories",
    "list_shards",
    "extract_features",
}
REPORT = {"record_provenance", "compare_captioners"}


@contextmanager
def edited(path, old="", new="\n# edited\n"):
    """Change a file for a while: replace `old`, or add to the end."""
    before = path.read_text()
    path.write_text(before.replace(old, new) if old else before + new)
    try:
        yield
    finally:
        path.write_text(before)


def test_a_run_ends_with_a_table_and_the_path_of_the_report(finished):
    assert re.search(r"^lstm +beam2 +\d", finished.output, re.MULTILINE)
    assert "Report: results/shapes/report/index.html" in finished.output
    assert re.search(r"^train_captioner +2 +\d.* s$", finished.output, re.MULTILINE)
    # The command that it ends by naming.
    (command,) = re.findall(r"^ +(snakemake .*)$", finished.output, re.MULTILINE)
    assert "download_file" in finished.run(*shlex.split(command)[1:], "--dry-run", config="")
    page = (finished.folder / "results/shapes/report/index.html").read_text()
    for model in ("lstm", "reference"):
        assert model in page


def test_the_files_are_those_of_the_course(finished):
    folder = finished.folder / "results/shapes/coco_captioning"
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    # Beside each lies its digest of when it was made.
    assert all((folder / f".{name}.recap-sha256").exists() for name in names)
    assert names == sorted(
        ["coco2014_captions.h5", "coco2014_vocab.json"]
        + [
            f"{split}2014_{name}"
            for split in ("train", "val")
            for name in ("images.txt", "urls.txt", "vgg16_fc7.h5", "vgg16_fc7_pca.h5")
        ]
    )
    data = load_coco_data(folder)
    assert data["train_features"].shape == (24, 8)
    assert data["val_features"].shape == (6, 8)
    assert data["train_captions"].shape == (120, 17)


def test_every_job_has_a_log_and_a_benchmark(finished):
    results = finished.folder / "results/shapes"
    resources = finished.folder / "resources"

    def jobs(folder, ending):
        return {
            path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob(ending)
        }

    # The names of studies are none of the shared files' business.
    assert {name.split("/")[0] for name in jobs(resources / "logs", "*.log")} == SHARED
    logs = [jobs(folder / "logs", "*.log") for folder in (resources, results)]
    assert logs == [jobs(folder / "benchmarks", "*.tsv") for folder in (resources, results)]
    assert sum(map(len, logs)) == 32
    # The report tells what they took, too.
    page = (results / "report/index.html").read_text()
    assert {rule for rule in SHARED if f">{rule}<" in page} == SHARED


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run("--cores", "8")


def test_the_default_and_stage_targets(workflow):
    assert workflow.planned("download", config="") == DOWNLOAD
    assert workflow.planned("encode", config="") == {
        "encode",
        "draw_shapes",
        "prepare_annotations",
        *ENCODE,
    }
    everything = workflow.planned(config="")
    assert everything == workflow.planned("all", config="")
    assert everything == (DOWNLOAD - {"download"}) | EXTRACT | ENCODE | EVALUATE | REPORT | {
        "all",
        "train_captioner",
        "prepare_categories",
    }


@pytest.mark.parametrize(
    ("module", "first", "not_rerun"),
    [
        ("captions/vocabulary.py", ENCODE - {"list_images"}, EXTRACT | {"list_images"}),
        ("datasets/list_images.py", {"list_images"}, EXTRACT | {"train_captioner"}),
        ("features/extract.py", {"extract_features"}, {"build_vocabulary", "encode_captions"}),
        ("features/gather.py", {"gather_features"}, {"extract_features", "fit_pca"} | ENCODE),
        # Other content has another FORM, which the list of parameters tells.
        ("datasets/list_shards.py", set(), EXTRACT | ENCODE | {"train_captioner"}),
        ("training/train.py", {"train_captioner"}, EXTRACT | ENCODE),
        (
            "evaluation/search.py",
            {"generate_captions"},
            EXTRACT | ENCODE | {"train_captioner", "measure_perplexity"},
        ),
        (
            "evaluation/word_maps.py",
            {"explain_captions", "compare_captioners"},
            {*EXTRACT, *ENCODE, *DECODE, "train_captioner", "record_provenance"},
        ),
        ("evaluation/perplexity.py", {"measure_perplexity"}, DECODE | {"train_captioner"}),
        (
            "evaluation/scoring/score.py",
            {"score_captions"},
            {"generate_captions", "train_captioner"},
        ),
        ("report/style.css", {"compare_captioners"}, {"score_captions", "record_provenance"}),
        ("cli.py", set(), EXTRACT | ENCODE | EVALUATE | {"compare_captioners"}),
    ],
)
def test_editing_a_stage_reruns_it_and_what_follows(finished, module, first, not_rerun):
    with edited(
        finished.folder / "src/recap" / module, new="\n/**/\n" if "css" in module else "\n#\n"
    ):
        planned = finished.planned()
    assert first <= planned
    assert not planned & not_rerun


@pytest.mark.parametrize(
    ("change", "first", "not_rerun"),
    [
        (("epochs: 2}\n  ref", "epochs: 3}\n  ref"), {"train_captioner"}, EXTRACT | ENCODE),
        (("pca_components: 8", "pca_components: 7"), {"fit_pca"}, {"extract_features"} | ENCODE),
        (("pca_comp", "feature_batch: 32\npca_comp"), {"extract_features"}, ENCODE),
        (("pca_comp", "precision: bfloat16\npca_comp"), {"train_captioner"}, EXTRACT | ENCODE),
        (("[beam2]", "[greedy]"), DECODE, {"train_captioner", "measure_perplexity"}),
    ],
)
def test_editing_the_config_reruns_what_it_concerns(finished, change, first, not_rerun):
    with edited(finished.folder / "tiny.yaml", *change):
        planned = finished.planned()
    assert first <= planned
    assert not planned & not_rerun


def test_spice_brings_its_parser_and_scores_again(finished):
    checksums = f"checksums={{stanford-corenlp-full-2015-12-09.zip: 'sha256:{'0' * 64}'}}"
    planned = finished.planned("--config", "spice=true", checksums)
    assert planned == {"download_file", "verify_download", "score_captions", *REPORT, "all"}
    assert "score_captions" in finished.planned("--config", "meteor=false")


def test_captions_are_packed_for_the_evaluation_server(finished, capsys):
    """Then the study has every file that a rule makes, each with its digest."""
    assert finished.planned("submission") == {"write_submission", "submission"}
    finished.run("submission", "--cores", "2")
    folder = finished.folder / "results/shapes/submissions"
    names = [name for path in folder.glob("*.zip") for name in zipfile.ZipFile(path).namelist()]
    try:
        verify_study(folder.parent)
    finally:
        shutil.rmtree(folder)
    assert " 0 FAILED, 0 unknown" in capsys.readouterr().out
    assert sorted(names) == [
        f"captions_val2014_{model}-seed0-beam2_results.json" for model in ("lstm", "reference")
    ]


def test_forcing_a_step_reruns_it_and_what_follows(finished):
    training = {"train_captioner", *EVALUATE, *REPORT, "all"}
    assert finished.planned("--forcerun", "train_captioner") == training
    assert finished.planned("--forcerun", "fit_pca") == training | REDUCE
    # The sums are not kept.
    alone = {"sum_features", "fit_pca"}
    assert finished.planned("--forcerun", "fit_pca", "--until", "fit_pca") == alone


def test_a_step_is_reached_by_its_rules_name(workflow):
    reading = {"draw_shapes", "prepare_annotations", "list_shards", "extract_features"}
    summing = {"sum_features", "fit_pca"}
    assert workflow.planned("--until", "fit_pca", config="") == reading | summing


def test_a_mirror_reruns_nothing(finished, tmp_path):
    assert finished.planned("--config", f"mirror={tmp_path}") == set()


def test_what_to_do_on_a_broken_image_reruns_nothing(finished):
    # Nothing but the report, which tells the settings.
    planned = finished.planned("--config", "broken_images=skip")
    assert not planned & (EXTRACT | ENCODE | EVALUATE | {"train_captioner"})


def test_shards_are_jobs_and_change_no_byte(finished, workflow):
    shutil.copytree(finished.folder / "resources", workflow.folder / "resources")
    output = workflow.run("features", "--cores", "2", "--set-scatter", "shards=3")
    assert output.count("rule extract_features:") == 6
    assert output.count("rule sum_features:") == 3
    for name in ("coco_captioning/train2014_vgg16_fc7.h5", "features/pca.h5"):
        path = f"results/shapes/{name}"
        assert workflow.hashes()[path] == finished.hashes()[path]


def test_features_before_pca_need_no_file_of_their_own(finished):
    plan = finished.run(
        "--dry-run", "--forceall", "--cores", "2", "--config", "whole_features=false"
    )
    assert "train2014_vgg16_fc7_pca.h5" in plan
    assert "train2014_vgg16_fc7.h5" not in plan


def test_the_number_of_shards_can_change_without_a_new_extraction(finished):
    """Snakemake replans for another set of input files, unless that trigger is left out."""
    shards = ["--set-scatter", "shards=3"]
    assert finished.planned(*shards) >= EXTRACT
    triggers = ["--rerun-triggers", "mtime", "code", "params", "software-env"]
    assert finished.planned(*shards, *triggers) == set()


def test_another_run_that_is_killed_and_finished_gives_the_same_bytes(finished, workflow):
    """Kill Snakemake and its jobs with SIGKILL, at the first sign of three different jobs."""
    signs = (
        "resources/logs/extract_features/*/train/1-of-1.log",
        "results/shapes/logs/train_captioner/*.log",
        "results/shapes/scores",
    )
    for sign in signs:
        process = workflow.start("--cores", "2", start_new_session=True)
        deadline = time.monotonic() + 120
        while not list(workflow.folder.glob(sign)) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if sign == signs[0]:
            assert "unlock" in workflow.run("--cores", "2", fails=True)
        workflow.run("--unlock")
    workflow.run("--cores", "2")
    assert workflow.hashes() == finished.hashes()
    assert len(workflow.hashes()) > 20


def copy_results(finished, workflow):
    """Put what the finished study made into a fresh copy."""
    for folder in ("resources", "results", ".snakemake"):
        shutil.copytree(finished.folder / folder, workflow.folder / folder, symlinks=True)


def test_scenes_of_other_parameters_do_not_replace_those_of_a_study(finished, workflow):
    copy_results(finished, workflow)
    other = ["--config", "study=other", "shapes={train_scenes: 9, val_scenes: 2, seed: 1}"]
    workflow.run("--until", "draw_shapes", "--cores", "2", *other)
    assert len(list(workflow.folder.glob("resources/shapes/*/train2014.zip"))) == 2
    assert workflow.planned() == set()


def test_a_study_of_the_same_photos_extracts_nothing(finished, workflow):
    copy_results(finished, workflow)
    other = ["--config", "study=other", "seeds=[1]"]
    planned = workflow.planned("features", *other)
    assert planned == {"features", "list_images", *REDUCE}
    workflow.run("features", "--cores", "2", *other)
    features = [workflow.folder / f"results/{name}/coco_captioning" for name in ("shapes", "other")]
    first, second = (folder / "val2014_vgg16_fc7.h5" for folder in features)
    assert first.read_bytes() == second.read_bytes()
    # What is written into the one is in no other: each is a file of its own.
    assert first.stat().st_nlink == second.stat().st_nlink == 1
    for setting in ("backbone=squeezenet1_1", "feature_batch=32", "shapes={seed: 3}"):
        planned = workflow.planned("features", "--config", "study=third", setting)
        assert {"extract_features", *REDUCE} <= planned
    # A finished study needs no resources.
    shutil.rmtree(workflow.folder / "resources")
    assert workflow.planned() == set()
    assert workflow.planned("features", *other) == set()


SWEEP = """
models:
  small: {architecture: [lstm, rnn], wordvec_dim: 8, hidden_dim: 8, epochs: 1}
train: [small]
seeds: [0, 1]
ensemble: true
decoders: [{beam_width: 2, mbr: true, neighbours: 3, block_ngrams: 2}]
meteor: false
"""


def test_a_sweep_over_cells_and_seeds(finished, workflow):
    """Two cells times two seeds are trained, and the seeds of each caption together, too."""
    config = yaml.safe_load((workflow.folder / "tiny.yaml").read_text())
    (workflow.folder / "sweep.yaml").write_text(yaml.dump(config | yaml.safe_load(SWEEP)))
    # What comes before training is the finished study's.
    copy_results(finished, workflow)
    dry = workflow.run("--dry-run", "--cores", "2", config="sweep.yaml")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", dry, re.MULTILINE))
    assert jobs == {
        "train_captioner": "4",
        "generate_captions": "6",
        "score_captions": "6",
        "measure_perplexity": "6",
        "explain_captions": "2",
        "record_provenance": "1",
        "compare_captioners": "1",
        "all": "1",
        "total": "27",
    }
    output = workflow.run("--cores", "2", config="sweep.yaml")
    # Of its jobs, only these have run before.
    assert re.search(
        r"^These 2 jobs will take about .*; 24 more have not run", output, re.MULTILINE
    )
    results = workflow.folder / "results/shapes"
    decoder = "mbr2-block_ngrams=2-neighbours=3"
    for cell in ("lstm", "rnn"):
        for run in ("seed0", "seed1", "ensemble"):
            folder = results / f"captions/small-architecture={cell}/{run}"
            assert json.loads((folder / "perplexity.json").read_text())["captions"] == 30
            captions = json.loads((folder / f"{decoder}.json").read_text())
            words = json.loads((folder / f"{decoder}.words.json").read_text())
            assert [entry["caption"] for entry in captions] == [
                " ".join(entry["words"]) for entry in words
            ]
        trained = json.loads(
            (results / f"models/small-architecture={cell}/seed1/config.json").read_text()
        )
        assert trained["recipe"]["architecture"] == cell
        assert (
            f"small-architecture={cell},{decoder},2,"
            in (results / "report/comparison.csv").read_text()
        )


def test_snakemake_makes_its_own_report(finished):
    finished.run("--report", "report.zip")
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        names = " ".join(archive.namelist())
        content = "".join(
            archive.read(name).decode(errors="ignore")
            for name in archive.namelist()
            if name.endswith((".html", ".js"))
        )
    assert "index.html" in names
    for words in ("Comparison", "learning curves", "BLEU, METEOR, ROUGE-L and CIDEr-D of each"):
        assert words in content


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["backbon=vgg16"], "unknown key `backbon`"),
        (["weights=nowhere.pth"], "The weights nowhere.pth are no file"),
        (["layer=fc9"], "squeezenet1_0 has no layer 'fc9'"),
        (["train=[cnn]"], "`train` names the model 'cnn'"),
    ],
)
def test_a_wrong_setting_is_told_in_one_sentence(workflow, settings, sentence):
    output = workflow.run("--cores", "2", "--config", *settings, fails=True)
    assert output.splitlines()[-1].startswith("error: ")
    assert sentence in output.splitlines()[-1]
    assert "Traceback" not in output
    assert not (workflow.folder / "resources").exists()


# As people name folders, and as a shell or a program might read them otherwise.
OWN_FOLDER = '-it\'s "mine" $HOME [1]'


def write_photo(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo(seed))


def write_own_data(folder):
    """Write photos in folders and COCO caption files, as a user would bring them."""
    first = 1
    own = folder / OWN_FOLDER
    for split, count in PHOTOS.items():
        images, annotations = [], []
        for number in range(first, first + count):
            write_photo(own / f"{split}/{number}.jpg", number)
            images.append({"id": number, "file_name": f"{number}.jpg"})
            for word in ("cat", "dog"):
                caption = f"A {word} & {number % 3} <b>mice</b>."
                annotations.append({"image_id": number, "id": len(annotations), "caption": caption})
        content = {"images": images, "annotations": annotations}
        (own / f"{split}.json").write_text(json.dumps(content))
        first += count
    splits = {
        split: {"images": f"{OWN_FOLDER}/{split}", "annotations": f"{OWN_FOLDER}/{split}.json"}
        for split in PHOTOS
    }
    config = yaml.safe_load(TINY_OWN) | {"own": splits}
    (folder / "own.yaml").write_text(yaml.dump(config))


TINY_OWN = """
dataset: own
backbone: squeezenet1_0
pca_components: 4
models:
  rnn: {wordvec_dim: 8, hidden_dim: 8, epochs: 1}
train: [rnn]
decoders: [greedy]
"""


def test_own_photos_and_broken_ones_among_them(workflow):
    write_own_data(workflow.folder)
    below = workflow.folder / OWN_FOLDER / "train/below"
    below.mkdir()
    (workflow.folder / OWN_FOLDER / "train/4.jpg").rename(below / "4.jpg")
    broken = workflow.folder / OWN_FOLDER / "train/2.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    # Of what is wrong with the captions nothing waits for the extraction, which takes all cores.
    too_many = ("--cores", "2", "--config", "pca_components=21")
    output = workflow.run(*too_many, config="own.yaml", fails=True)
    assert (
        f"21 `pca_components` cannot be found in the 20 images of {OWN_FOLDER}/train.json" in output
    )
    assert not (workflow.folder / "resources/logs/extract_features").exists()
    output = workflow.run("--cores", "2", config="own.yaml", fails=True)
    # The reason is told again where a user looks first.
    reason = f"2.jpg in {OWN_FOLDER}/train is not an image that can be read"
    end = "\n".join(output.splitlines()[-8:])
    assert f"\nextract_features: error: {reason}" in end
    (log,) = workflow.folder.glob("resources/logs/extract_features/own-*/train/1-of-1.log")
    assert f"\nIts log: {log.relative_to(workflow.folder)}\n" in end
    assert "Traceback" not in output
    coco_captioning = workflow.folder / "results/own/coco_captioning"
    assert not (coco_captioning / "train2014_vgg16_fc7.h5").exists()
    workflow.run("--cores", "2", "--config", "broken_images=skip", config="own.yaml")
    assert "skipped: 2.jpg" in log.read_text()
    assert (workflow.folder / "results/own/report/index.html").exists()
    facts = json.loads((workflow.folder / "results/own/models/rnn/seed0/config.json").read_text())
    assert facts["validation"] == "the dev split: 6 captions"

    # Photos that are replaced in place, or put beside the others, in a folder below.
    skip = ["--config", "broken_images=skip"]
    listed = workflow.folder / OWN_FOLDER / "train/below/4.jpg"
    before, content = listed.stat(), listed.read_bytes()
    assert workflow.planned(*skip, config="own.yaml") == set()
    write_photo(listed.with_name("nobody_lists_it.jpg"), 0)
    write_photo(broken.with_name("nor_this.jpg"), 0)
    assert workflow.planned(*skip, config="own.yaml") == set()
    write_photo(listed, 400)
    planned = workflow.planned(*skip, config="own.yaml")
    # The photos are the same by name.
    assert EXTRACT - {"list_shards"} | {"train_captioner"} | REPORT <= planned
    assert not planned & ENCODE
    listed.write_bytes(content)
    os.utime(listed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert workflow.planned(*skip, config="own.yaml") == set()
    write_photo(broken, 2)
    assert "extract_features" in workflow.planned(*skip, config="own.yaml")


def test_a_training_job_asks_for_memory_by_the_size_of_its_features(workflow):
    """The table of features is held once."""
    folder = workflow.folder / "results/shapes/coco_captioning"
    folder.mkdir(parents=True)
    for name in ("coco2014_captions.h5", "coco2014_vocab.json", "train2014_vgg16_fc7_pca.h5"):
        (folder / name).touch()
    os.truncate(folder / "train2014_vgg16_fc7_pca.h5", 8_300_000_000)  # takes no space
    words = ["train", "--dry-run", "--cores", "2", "--rerun-triggers", "mtime"]
    memory = re.findall(r"rule train_captioner:(?:\n .*)*?mem_mb=(\d+)", workflow.run(*words))
    assert memory
    assert {8300 < int(wanted) < 12_000 for wanted in memory} == {True}


MODULE = """
configfile: "config/config.yaml"


rule own:
    output:
        "own.txt",
    shell:
        "printenv PYTHONPATH > {{output}} || true"


module recap:
    snakefile: {snakefile!r}
    config: config


use rule * from recap as recap_*
"""


@pytest.fixture
def other(workflow):
    """Another workflow, elsewhere, that takes ours as a module and configures it itself."""

    def make(snakefile):
        folder = workflow.folder.parent / "other"
        (folder / "config").mkdir(parents=True)
        shutil.copy(workflow.folder / "config/config.yaml", folder / "config")
        (folder / "tiny.yaml").write_text(TINY_OF_OTHER)
        (folder / "Snakefile").write_text(MODULE.format(snakefile=snakefile))
        return replace(workflow, folder=folder)

    return make


TINY_OF_OTHER = """
backbone: squeezenet1_0
pca_components: 4
shapes: {train_scenes: 8, val_scenes: 2}
models:
  rnn: {architecture: rnn, wordvec_dim: 8, hidden_dim: 8, epochs: 1}
train: [rnn]
decoders: [greedy]
meteor: false
"""


def test_the_workflow_as_a_module_of_another(workflow, other, monkeypatch):
    """As the workflow catalog deploys it. What it runs is its own, and so is what others run."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    deployed = other(str(workflow.folder / "workflow/Snakefile"))
    # The other's first rule stays the default.
    assert deployed.planned() == {"own"}
    (deployed.folder / "broken.safetensors").write_text("no weights")
    words = ["recap_all", "own", "--cores", "2", "--config"]
    output = deployed.run(*words, "weights=broken.safetensors", fails=True)
    assert "error: broken.safetensors is" in output
    assert re.search(r"log: resources/logs/extract_features/[\w-]+/\w+/1-of-1.log \(check", output)
    output = deployed.run(*words[:-1])
    assert "localrules" not in output  # of which Snakemake warns where rules are renamed
    assert re.search(r"^rnn +greedy +\d", output, re.MULTILINE)
    assert (deployed.folder / "results/shapes/report/index.html").exists()
    assert (deployed.folder / "own.txt").read_text() == ""


def test_a_remote_module_runs_the_installed_package(workflow, other):
    """Snakemake brings the workflow's files alone, not the package beside them."""

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *words):
            super().__init__(*words, directory=workflow.folder)

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        Thread(target=server.serve_forever).start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/workflow/Snakefile"
            planned = other(address).planned("recap_all")
        finally:
            server.shutdown()
    assert {"recap_draw_shapes", "recap_compare_captioners"} <= planned
