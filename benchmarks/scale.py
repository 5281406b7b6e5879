"""Simulate the features of 10^8 images on 1, 10 and 100 nodes: hours, bottleneck, cost.

Shards are dealt to nodes as a scheduler deals jobs. A shard takes as long as the slowest of what
overlaps in it: decoding, the network, the node's link, and its share of the common store. Jobs are
killed at random, and continue from their part file. Each job first reads the whole list of its
images. Gathering and PCA are single jobs, as in the workflow. `docs/scale.md` says where the rates
come from.

Usage: python benchmarks/scale.py [--images N] [--lists N] [--node gpu|cpu]
"""

import argparse
import heapq
import json
import random
from dataclasses import dataclass

PHOTO_BYTES = 160e3
FEATURE_BYTES = 4 * 4096
REDUCED_BYTES = 4 * 512
PCA_FLOP = 4096**2  # of an image: half of the products of its numbers with each other
APPLY_FLOP = 2 * 4096 * 512

STORE_BYTES = 20e9  # a second, of all nodes together
START_SECONDS = 30  # of a job: scheduler, Python, weights
LIST_SECONDS = 25e-6  # of a job, for each image that its annotations and its archive list
BATCHES_LOST = 3  # by a kill: those in work
BATCH = 128
KILLS_PER_HOUR = 1 / 500  # of a node


@dataclass(frozen=True)
class Node:
    """What one node does in a second, and what it costs."""

    cores: int
    decoded: float  # images, by a core
    computed: float  # images, by the network
    link_bytes: float
    flop: float  # in float64
    dollars: float  # an hour


NODES = {
    "gpu": Node(cores=16, decoded=300, computed=6000, link_bytes=3e9, flop=3e13, dollars=4),
    "cpu": Node(cores=64, decoded=300, computed=400, link_bytes=3e9, flop=2e12, dollars=2),
}


def extract(
    images: int, nodes: int, node: Node, shards: int, start_seconds: float
) -> tuple[float, str]:
    """Return the seconds of the extraction, and what it waits for."""
    rates = {
        "decoding": node.cores * node.decoded,
        "network": node.computed,
        "link of the node": node.link_bytes / PHOTO_BYTES,
        "common store": STORE_BYTES / nodes / (PHOTO_BYTES + FEATURE_BYTES),
    }
    if node.computed < node.cores * node.decoded:
        # Where the cores do both, they do one after the other.
        rates["network"] = 1 / (1 / node.computed + 1 / (node.cores * node.decoded))
    slowest = min(rates, key=rates.get)
    generator = random.Random(0)
    free = [0.0] * nodes
    for _ in range(shards):
        start = heapq.heappop(free)
        seconds = images / shards / rates[slowest] * generator.uniform(0.95, 1.05)
        kills = generator.random() < seconds / 3600 * KILLS_PER_HOUR
        lost = start_seconds + BATCHES_LOST * BATCH / rates[slowest]
        heapq.heappush(free, start + start_seconds + seconds + kills * lost)
    if start_seconds > images / shards / rates[slowest]:
        slowest = "reading the list of images"
    return max(free), slowest


def single_jobs(images: int, node: Node) -> dict[str, tuple[float, str]]:
    """Return the seconds of the jobs that one node does, and what each waits for."""

    def job(read: float, written: float, flop: float) -> tuple[float, str]:
        waits = {
            "link of the node": images * max(read, written) / node.link_bytes,
            "float64 products": images * flop / node.flop,
        }
        slowest = max(waits, key=waits.get)
        return START_SECONDS + waits[slowest], slowest

    return {
        "gather_features": job(FEATURE_BYTES, FEATURE_BYTES, 0),
        "fit_pca": job(FEATURE_BYTES, 0, PCA_FLOP),
        "apply_pca": job(FEATURE_BYTES, REDUCED_BYTES, APPLY_FLOP),
    }


def simulate(images: int, nodes: int, node: Node, lists: int) -> dict:
    """Return hours by stage, the longest stage, what it waits for, and dollars."""
    # As many shards as give each node ten, and none more than 2^20 images.
    shards = max(10 * nodes, -(-images // 2**20))
    start_seconds = START_SECONDS + LIST_SECONDS * images / lists
    stages = {"extract_features": extract(images, nodes, node, shards, start_seconds)}
    stages |= single_jobs(images, node)
    longest = max(stages, key=lambda stage: stages[stage][0])
    busy = stages["extract_features"][0] * nodes
    busy += sum(seconds for stage, (seconds, _) in stages.items() if stage != "extract_features")
    return {
        "nodes": nodes,
        "shards": shards,
        "hours": {stage: seconds / 3600 for stage, (seconds, _) in stages.items()},
        "bottleneck": longest,
        "waits_for": stages[longest][1],
        "dollars": busy / 3600 * node.dollars,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10**8)
    parser.add_argument("--lists", type=int, default=1, help="annotation files that name them")
    parser.add_argument("--node", choices=NODES, default="gpu")
    arguments = parser.parse_args()
    found = [
        simulate(arguments.images, nodes, NODES[arguments.node], arguments.lists)
        for nodes in (1, 10, 100)
    ]
    print(
        f"{arguments.images:,} images in {arguments.lists} lists, on nodes of the kind"
        f" {arguments.node}; hours"
    )
    stages = list(found[0]["hours"])
    heads = "".join(f"{stage:>18}" for stage in stages)
    print(f"{'nodes':>6}{'shards':>8}{heads}{'all':>9}{'dollars':>9}  bottleneck")
    for run in found:
        hours = "".join(f"{run['hours'][stage]:18.2f}" for stage in stages)
        print(
            f"{run['nodes']:6}{run['shards']:8}{hours}{sum(run['hours'].values()):9.2f}"
            f"{run['dollars']:9.0f}  {run['bottleneck']}: {run['waits_for']}"
        )
    print(json.dumps({str(run["nodes"]): round(sum(run["hours"].values()), 2) for run in found}))


if __name__ == "__main__":
    main()
