# What a run says at its beginning and its end.

from recap.report.run_times import expected_time, slowest_rules


def opening_words():
    """Return how long the jobs will take, where earlier runs tell it of this machine's cores."""
    try:
        cores = workflow.cores
    except WorkflowError:
        return ""  # on a cluster
    jobs = [job for job in workflow.dag.needrun_jobs() if job.benchmark]
    return expected_time([(Path(job.benchmark), job.threads) for job in jobs], cores)


def closing_words(logs):
    """Return what was slow, what the reports found, and their paths, as Snakemake's logs say."""
    told = "".join(map(content_of, logs))
    studies = {
        "compare_captioners": STUDY,
        "compare_vision": VISION["study"],
        "compare_gans": GENERATIVE["study"],
    }
    made = [name for name in studies if re.search(rf"^\w+ {name}:", told, re.M)]
    words = f"\n{slowest_rules(told)}\n"
    for name in made:
        summary = Path(f"results/{studies[name]}/report/summary.txt")
        words += (
            f"\n{summary.read_text(encoding='utf-8')}\nReport: {summary.with_name('index.html')}\n"
        )
    if "compare_captioners" in made and config["dataset"] == "shapes":
        words += (
            "\nThese scenes are drawn. The same study on photographs, COCO 2014, in this environment (after"
            " make: source .venv/bin/activate):\n"
            "  snakemake --cores all --configfile config/coco2014.yaml\n"
            "It takes 26 GB of disk, 21 GB of it to download, and by our estimate an hour on two cores"
            " with AMX, 4 with other bfloat16 instructions, 8 without.\n"
        )
    if re.search(r"^\w+ link_reports:", told, re.M):
        words += "\nAll reports: results/index.html\n"
    return words


def reasons_of_failure(logs):
    """Return the last words of each job that Snakemake's logs say has failed, and where its log is."""
    told = "".join(map(content_of, logs))
    failed = re.findall(r"^Error in \w+ (\w+):\n(?: .*\n)*? +log: (.+) \(check log", told, re.M)
    words = ""
    for rule, path in dict.fromkeys(failed):
        lines = content_of(path).strip().splitlines() or ["It ended without a word."]
        words += f"\n{rule}: {lines[-1]}\nIts log: {path}\n"
    return words


def content_of(log):
    """Return what a log holds; nothing if it was never written."""
    return Path(log).read_text(encoding="utf-8", errors="replace") if Path(log).exists() else ""
