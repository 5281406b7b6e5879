"""How long a run will take, and what took longest."""

from recap.report.run_times import expected_time, slowest_rules

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def benchmark(folder, name, seconds):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + f"{seconds}\t-\t10.0\t-\t-\t-\t-\t-\t-\t{seconds}\n")
    return path


def test_jobs_take_what_they_took(tmp_path):
    jobs = [
        (benchmark(tmp_path, "train.tsv", 60.0), 8),  # no more threads than cores
        (benchmark(tmp_path, "score.tsv", 10.0), 1),  # two of them at a time
        (tmp_path / "new.tsv", 1),
    ]
    told = expected_time(jobs, 2)
    assert told.startswith("These 2 jobs will take about 1 min 05 s")
    assert "1 more have not run here before" in told
    assert expected_time(jobs[2:], 2) == ""


def test_no_run_is_shorter_than_its_longest_job(tmp_path):
    job = benchmark(tmp_path, "train.tsv", 60.0), 1
    assert expected_time([job], 8) == "This job will take about 1 min 00 s, as before."


def test_what_is_no_benchmark_file_is_a_job_that_has_not_run(tmp_path):
    broken = tmp_path / "train.tsv"
    broken.write_text("half\n1")
    assert expected_time([(broken, 1)], 2) == ""


def test_the_slowest_rules_of_this_run(tmp_path):
    log = ""
    for rule, name, seconds in (
        ("train", "train/one.tsv", 30.0),
        ("train", "train/two.tsv", 40.0),
        ("score", "score.tsv", 50.0),
    ):
        path = benchmark(tmp_path, name, seconds)
        log += f"[date]\nlocalrule {rule}:\n    input: a\n    benchmark: {path}\n    threads: 2\n"
    lines = slowest_rules(log).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["train", "2", "1", "min", "10", "s"],
        ["score", "1", "50.0", "s"],
    ]
    assert slowest_rules("nothing") == ""
