"""The profiles name what there is, and the document what they say."""

import re

import pytest
import yaml
from documents import ROOT, blocks

RULES = dict(
    re.findall(
        r"^ *rule (\w+):\n(.*?)(?=^\S|^ *rule |\Z)",
        "\n".join(path.read_text() for path in sorted(ROOT.glob("workflow/rules/*.smk"))),
        re.MULTILINE | re.DOTALL,
    )
)
NAMES = ["slurm-cpu", "slurm-gpu"]


def profile(name):
    return yaml.safe_load((ROOT / f"workflow/profiles/{name}/config.yaml").read_text())


def with_line(pattern):
    return {rule for rule, text in RULES.items() if re.search(pattern, text)}


@pytest.mark.parametrize("name", NAMES)
def test_rules_that_take_many_cores_are_told_how_many(name):
    """The step of a job, which has a number of cores, would else give them all of a node's."""
    taking = with_line(r"\n    threads: (all_cores|cores_of_a_gan)")
    assert len(taking) > 10
    assert profile(name)["set-threads"].keys() == taking


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_names_rules_that_there_are(name):
    set_up = profile(name)
    assert {*set_up["set-resources"], *set_up["groups"]} <= RULES.keys()
    assert "scattergather:\n    shards=1," in (ROOT / "workflow/rules/features.smk").read_text()
    assert list(set_up["set-scatter"]) == ["shards"]


def test_rules_that_compute_on_a_gpu_ask_for_one():
    given = profile("slurm-gpu")["set-resources"]
    asking = {rule for rule, resources in given.items() if resources.pop("gpu", 0) == 1}
    assert asking == with_line(r'device=config\["device"\]')


def test_the_profiles_differ_in_gpus_alone():
    cpu, gpu = map(profile, NAMES)
    for resources in gpu["set-resources"].values():
        resources.pop("gpu", None)
    gpu["set-resources"] = {rule: left for rule, left in gpu["set-resources"].items() if left}
    assert cpu == gpu


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_check_asks_for_what_the_largest_job_does(name):
    set_up = profile(name)
    most = set_up["set-resources"]["extract_features"]
    threads = set_up["set-threads"]
    memory = int(most["mem_mb"].removesuffix(" * attempt"))
    needed = [
        int(number) for text in RULES.values() for number in re.findall(r"memory\((\d+)", text)
    ]
    assert memory >= max(needed)
    assert threads["extract_features"] == max(threads.values())
    assert most["runtime"] == max(
        given.get("runtime", 0) for given in [*set_up["set-resources"].values()]
    )
    words = [f"--cpus-per-task={threads['extract_features']}", f"--mem={memory}"]
    words += [f"--time={most['runtime']}", *(["--gpus=1"] if "gpu" in most else [])]
    partition = f"--partition={name.removeprefix('slurm-')}"
    command = ("sbatch", "--test-only", partition, *words, "--wrap=true")
    assert command in blocks("sbatch")


def test_the_line_to_copy_is_the_whole_list():
    given = profile("slurm-cpu")["set-resources"]
    whole = {f"{rule}:{key}={value}" for rule in given for key, value in given[rule].items()}
    (words,) = [words for words in blocks("snakemake") if "--set-resources" in words]
    assert set(words[words.index("--set-resources") + 1 :]) == {
        each.replace(" ", "") for each in whole
    }


def test_the_memory_of_each_rule_grows_with_the_attempt():
    asking = {rule: re.findall(r"mem_mb=.*", text) for rule, text in RULES.items()}
    grows = re.compile(r"mem_mb=(memory\(|lambda .*\battempt\b)")
    assert [rule for rule, told in asking.items() if told and not grows.match(*told)] == []
