"""Simulate the features of 10^6 to 10^8 images on 1, 10 and 100 nodes: hours, bottleneck, cost.

Shards are dealt to nodes as a scheduler deals jobs: extracted, summed and reduced one by one. A
shard takes as long as the slowest of what overlaps in it: decoding, the network, products in
float64, the node's link, and its share of the common store. Jobs are killed at random; an
extraction continues from its part file. Listing the shards, adding their sums and gathering what is
reduced are single jobs. `docs/scale.md` says where the rates come from.

Usage: python benchmarks/scale.py [--images N] [--node gpu|cpu] [--archives]
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

SUMS_BYTES = 8 * 4096**2  # of a shard
SHARD = 2**20  # images, at most

STORE_BYTES = 20e9  # a second, of all nodes together
START_SECONDS = 30  # of a job: scheduler, Python, weights
RECORD_SECONDS = 8e-6  # to read an image's record in a list
DIRECTORY_SECONDS = 18e-6  # of each extraction, for each image in the archives
SOLVE_SECONDS = 20  # the eigenvalues of 4,096 x 4,096
BATCHES_LOST = 3  # by a kill: those in work
BATCH = 128
KILLS_PER_HOUR = 1 / 500  # of a node

BLOCK = 2048  # images, of which shards are whole numbers
OF_SHARDS = ("extract_features", "sum_features", "apply_pca")


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
    "gpu": Node(cores=16, decoded=300, computed=14_900, link_bytes=3e9, flop=3e13, dollars=4),
    "cpu": Node(cores=64, decoded=300, computed=400, link_bytes=3e9, flop=2e12, dollars=2),
}


def deal(
    images: int, nodes: int, shards: int, rates: dict[str, float], start: float, lost: float = 0
) -> tuple[float, str]:
    """Return the seconds of a stage of jobs, one a shard, and what a job waits for.

    `rates` are images a second, `start` a job's seconds before the first, `lost` images by a kill.
    """
    slowest = min(rates, key=rates.get)
    generator = random.Random(0)
    free = [0.0] * nodes
    for _ in range(shards):
        begin = heapq.heappop(free)
        seconds = images / shards / rates[slowest] * generator.uniform(0.95, 1.05)
        killed = generator.random() < seconds / 3600 * KILLS_PER_HOUR
        again = start + (lost / rates[slowest] if lost else seconds / 2)
        heapq.heappush(free, begin + start + seconds + killed * again)
    if start > images / shards / rates[slowest]:
        slowest = "the start of jobs"
    return max(free), slowest


def stages_of(images: int, nodes: int, node: Node, archives: bool) -> dict[str, tuple[float, str]]:
    """Return the seconds of each stage, and what it waits for."""
    # As many shards as give each node ten, and none more than SHARD images.
    shards = max(10 * nodes, -(-images // SHARD))
    shards = min(shards, -(-images // BLOCK))
    busy = min(nodes, shards)

    def moved(count: float) -> dict[str, float]:
        return {
            "link of the node": node.link_bytes / count,
            "common store": STORE_BYTES / busy / count,
        }

    decoding = node.cores * node.decoded
    extracting = {"decoding": decoding, "network": node.computed}
    if node.computed < decoding:
        # Where the cores do both, they do one after the other.
        extracting["network"] = 1 / (1 / node.computed + 1 / decoding)
    reading = RECORD_SECONDS * images / shards + archives * DIRECTORY_SECONDS * images
    summing = {"float64 products": node.flop / PCA_FLOP}
    reducing = {"float64 products": node.flop / APPLY_FLOP}
    gathered = images * REDUCED_BYTES / node.link_bytes
    return {
        # Once to count, once to write.
        "list_shards": (2 * RECORD_SECONDS * images + START_SECONDS, "the list of images"),
        "extract_features": deal(
            images,
            nodes,
            shards,
            extracting | moved(PHOTO_BYTES + FEATURE_BYTES),
            START_SECONDS + reading,
            BATCHES_LOST * BATCH,
        ),
        "sum_features": deal(images, nodes, shards, summing | moved(FEATURE_BYTES), START_SECONDS),
        "fit_pca": (
            START_SECONDS + shards * SUMS_BYTES / node.link_bytes + SOLVE_SECONDS,
            "the sums of shards",
        ),
        "apply_pca": deal(images, nodes, shards, reducing | moved(FEATURE_BYTES), START_SECONDS),
        "gather_features": (START_SECONDS + gathered, "link of the node"),
    }


def simulate(images: int, nodes: int, node: Node, archives: bool) -> dict:
    """Return hours by stage, the longest stage, what it waits for, and dollars."""
    stages = stages_of(images, nodes, node, archives)
    longest = max(stages, key=lambda stage: stages[stage][0])
    busy = sum(
        seconds * (nodes if stage in OF_SHARDS else 1) for stage, (seconds, _) in stages.items()
    )
    return {
        "nodes": nodes,
        "hours": {stage: seconds / 3600 for stage, (seconds, _) in stages.items()},
        "bottleneck": longest,
        "waits_for": stages[longest][1],
        "dollars": busy / 3600 * node.dollars,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10**8)
    parser.add_argument("--archives", action="store_true", help="photos lie in zip archives")
    parser.add_argument("--node", choices=NODES, default="gpu")
    arguments = parser.parse_args()
    found = [
        simulate(arguments.images, nodes, NODES[arguments.node], arguments.archives)
        for nodes in (1, 10, 100)
    ]
    print(f"{arguments.images:,} images on nodes of the kind {arguments.node}; hours")
    stages = list(found[0]["hours"])
    heads = "".join(f"{stage:>18}" for stage in stages)
    print(f"{'nodes':>6}{heads}{'all':>9}{'dollars':>9}  bottleneck")
    for run in found:
        hours = "".join(f"{run['hours'][stage]:18.2f}" for stage in stages)
        print(
            f"{run['nodes']:6}{hours}{sum(run['hours'].values()):9.2f}"
            f"{run['dollars']:9.0f}  {run['bottleneck']}: {run['waits_for']}"
        )
    print(json.dumps({str(run["nodes"]): round(sum(run["hours"].values()), 2) for run in found}))


if __name__ == "__main__":
    main()
