# Look into a network that tells what photos show.
#
# Needs: nothing, or photos and a network's weights (datasets.smk)
# Makes: results/{vision}/classifier/network.safetensors, config.json, history.csv, scores.json,
#        scenes.npz, examples.npz and grounds/, where the network is trained here
#        results/{vision}/{method}/scores.json, with pictures beside it
#        results/{vision}/report/index.html, summary.txt

CLASSIFIER = "results/{vision}/classifier"
NETWORK = [f"{CLASSIFIER}/network.safetensors"] if TRAINED_HERE else file_of_weights(VISION_WEIGHTS)
OTHER = file_of_weights(OTHER_WEIGHTS)
PHOTOS = VISION["photos"] or [f"{CLASSIFIER}/scenes.npz"]
EXAMPLES = VISION["examples"] or [f"{CLASSIFIER}/examples.npz"]
STYLES = VISION["styles"] or {
    ground: VISION["style"] | {"picture": f"{CLASSIFIER}/grounds/{ground}.png"}
    for ground in ("grass", "water")
}


rule vision:
    input:
        expand("results/{vision}/report/index.html", vision=VISION["study"]),
        verified(files_of_vision()),


rule train_scene_classifier:
    """Draw scenes, and train a small network to tell what they show."""
    output:
        network=f"{CLASSIFIER}/network.safetensors",
        config=f"{CLASSIFIER}/config.json",
        history=f"{CLASSIFIER}/history.csv",
        scores=f"{CLASSIFIER}/scores.json",
        scenes=f"{CLASSIFIER}/scenes.npz",
        examples=f"{CLASSIFIER}/examples.npz",
        grass=f"{CLASSIFIER}/grounds/grass.png",
        water=f"{CLASSIFIER}/grounds/water.png",
    log:
        "results/{vision}/logs/train_scene_classifier.log",
    benchmark:
        "results/{vision}/benchmarks/train_scene_classifier.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(2000),
    params:
        package=package,
        folder=subpath(output.network, parent=True),
        settings=options_of_method(VISION["classifier"]),
        seed=VISION["seed"],
        code=code_hash("recap.vision.train_scene_classifier"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap train-scene-classifier \
            --output={params.folder:q} \
            {params.settings:q} \
            --seed={params.seed:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule show_saliency:
    """Show which pixels the score of a class depends on."""
    input:
        weights=NETWORK,
        photos=PHOTOS,
    output:
        "results/{vision}/saliency/scores.json",
    log:
        "results/{vision}/logs/show_saliency.log",
    benchmark:
        "results/{vision}/benchmarks/show_saliency.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        photos=lambda wildcards, input: input.photos,
        network=network_of_vision,
        folder=subpath(output[0], parent=True),
        settings=options_of_method(VISION["saliency"]),
        seed=VISION["seed"],
        device=config["device"],
        code=code_hash("recap.vision.saliency"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap show-saliency \
            {params.photos:q} \
            --output={params.folder:q} \
            {params.network:q} \
            {params.settings:q} \
            --seed={params.seed:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule fool_network:
    """Make the network take photos for other classes."""
    input:
        weights=NETWORK,
        photos=PHOTOS,
    output:
        "results/{vision}/fooling/scores.json",
    log:
        "results/{vision}/logs/fool_network.log",
    benchmark:
        "results/{vision}/benchmarks/fool_network.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        photos=lambda wildcards, input: input.photos,
        network=network_of_vision,
        target=options(target=VISION["targets"]),
        folder=subpath(output[0], parent=True),
        settings=options_of_method(VISION["fooling"]),
        device=config["device"],
        code=code_hash("recap.vision.fooling"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap fool-network \
            {params.photos:q} \
            --output={params.folder:q} \
            {params.target:q} \
            {params.network:q} \
            {params.settings:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule visualize_classes:
    """Find images that a network holds to be typical of a class."""
    input:
        weights=NETWORK,
        other=OTHER,
    output:
        "results/{vision}/classes/scores.json",
    log:
        "results/{vision}/logs/visualize_classes.log",
    benchmark:
        "results/{vision}/benchmarks/visualize_classes.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        typical=VISION["typical"],
        network=network_of_vision,
        other=other_of_vision,
        folder=subpath(output[0], parent=True),
        settings=options_of_method(VISION["classes"]),
        seed=VISION["seed"],
        device=config["device"],
        code=code_hash("recap.vision.classes"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap visualize-classes \
            {params.typical:q} \
            --output={params.folder:q} \
            {params.network:q} \
            {params.other:q} \
            {params.settings:q} \
            --seed={params.seed:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule invert_features:
    """Find images that have the maps of photos."""
    input:
        weights=NETWORK,
        photos=EXAMPLES,
    output:
        "results/{vision}/inversion/scores.json",
    log:
        "results/{vision}/logs/invert_features.log",
    benchmark:
        "results/{vision}/benchmarks/invert_features.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        photos=lambda wildcards, input: input.photos,
        network=network_of_vision,
        folder=subpath(output[0], parent=True),
        settings=options_of_method(VISION["inversion"]),
        seed=VISION["seed"],
        device=config["device"],
        code=code_hash("recap.vision.inversion"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap invert-features \
            {params.photos:q} \
            --output={params.folder:q} \
            {params.network:q} \
            {params.settings:q} \
            --seed={params.seed:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule dream_images:
    """Give photos more of what a layer sees in them."""
    input:
        weights=NETWORK,
        photos=EXAMPLES,
    output:
        "results/{vision}/dreams/scores.json",
    log:
        "results/{vision}/logs/dream_images.log",
    benchmark:
        "results/{vision}/benchmarks/dream_images.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        photos=lambda wildcards, input: input.photos,
        network=network_of_vision,
        folder=subpath(output[0], parent=True),
        settings=options_of_method(VISION["dreams"]),
        seed=VISION["seed"],
        device=config["device"],
        code=code_hash("recap.vision.dreams"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap dream-images \
            {params.photos:q} \
            --output={params.folder:q} \
            {params.network:q} \
            {params.settings:q} \
            --seed={params.seed:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule transfer_style:
    """Paint photos in the style of a painting."""
    input:
        weights=NETWORK,
        photos=EXAMPLES,
        style=lambda wildcards: STYLES[wildcards.style]["picture"],
    output:
        "results/{vision}/style/{style}/scores.json",
    log:
        "results/{vision}/logs/transfer_style/{style}.log",
    benchmark:
        "results/{vision}/benchmarks/transfer_style/{style}.tsv"
    wildcard_constraints:
        style=one_of(STYLES),
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        photos=lambda wildcards, input: input.photos,
        network=network_of_vision,
        folder=subpath(output[0], parent=True),
        settings=lambda wildcards: options_of_method(STYLES[wildcards.style]),
        seed=VISION["seed"],
        device=config["device"],
        code=code_hash("recap.vision.style"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap transfer-style \
            {params.photos:q} \
            --style={input.style:q} \
            --output={params.folder:q} \
            {params.network:q} \
            {params.settings:q} \
            --seed={params.seed:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule compare_vision:
    """Show what the methods found on one page."""
    input:
        results_of_vision(),
    output:
        page=report(
            "results/{vision}/report/index.html",
            caption="../report/vision.rst",
            category="Vision",
            labels={"study": "{vision}", "content": "report"},
        ),
        summary="results/{vision}/report/summary.txt",
    log:
        "results/{vision}/logs/compare_vision.log",
    benchmark:
        "results/{vision}/benchmarks/compare_vision.tsv"
    conda:
        "../envs/recap.yaml"
    resources:
        mem_mb=memory(2000),
    params:
        package=package,
        study=subpath(output.page, ancestor=2),
        folder=subpath(output.page, parent=True),
        seed=VISION["seed"],
        code=code_hash("recap.report.vision.compare"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap compare-vision \
            {params.study:q} \
            --output={params.folder:q} \
            --seed={params.seed:q} \
            2>&1 | tee {log:q}
        """
