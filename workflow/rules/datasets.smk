# Bring the data set's archives and the backbone's weights, and put captions into COCO's format.
#
# Needs: nothing, or the network, or a mirror.
# Makes: resources/{dataset}/*.zip
#        resources/{dataset}/annotations/{splits}/captions_{split}.json
#        resources/weights/*
#        resources/spice/stanford-corenlp-full-2015-12-09.zip
#        {file}.verified.json beside each download


rule datasets:
    input:
        sources(),
        verified(sources()),


rule draw_shapes:
    """Draw the embedded data set in COCO 2014's layout."""
    output:
        train_images="resources/shapes/train2014.zip",
        val_images="resources/shapes/val2014.zip",
        annotations="resources/shapes/annotations_trainval2014.zip",
    log:
        "resources/logs/draw_shapes.log",
    benchmark:
        f"results/{STUDY}/benchmarks/draw_shapes.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    params:
        **config["shapes"],
        package=package,
        code=code_hash("recap.datasets.shapes.draw"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap draw-shapes \
            --train-images={output.train_images:q} \
            --val-images={output.val_images:q} \
            --annotations={output.annotations:q} \
            --train-scenes={params.train_scenes:q} \
            --val-scenes={params.val_scenes:q} \
            --seed={params.seed:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


# `connections` keeps the downloads that run at once down to what the profile allows.
rule download_dataset:
    """Download one archive of the data set and verify it."""
    output:
        "resources/{dataset}/{file}",
    log:
        "resources/logs/download_dataset/{dataset}-{file}.log",
    benchmark:
        f"results/{STUDY}/benchmarks/download_dataset/{{dataset}}-{{file}}.tsv"
    wildcard_constraints:
        dataset=one_of({name for (name, _), dataset in DATASETS.items() if dataset.files}),
        file=r"[^/]+\.zip",
    conda:
        "../envs/recap.yaml"
    resources:
        connections=1,
    params:
        package=package,
        source=source_of_downloads,
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap download-dataset \
            --dataset={wildcards.dataset:q} \
            --file={wildcards.file:q} \
            --output={output:q} \
            {params.source:q} \
            2>&1 | tee {log:q}
        """


rule download_weights:
    """Download the backbone's weights and verify them."""
    output:
        "resources/weights/{file}",
    log:
        "resources/logs/download_weights/{file}.log",
    benchmark:
        f"results/{STUDY}/benchmarks/download_weights/{{file}}.tsv"
    wildcard_constraints:
        file=r"[^/]+\.pth",
    conda:
        "../envs/recap.yaml"
    resources:
        connections=1,
    params:
        package=package,
        backbone=config["backbone"],
        weights=config["weights"],
        source=source_of_downloads,
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap download-weights \
            --backbone={params.backbone:q} \
            --weights={params.weights:q} \
            --output={output:q} \
            {params.source:q} \
            2>&1 | tee {log:q}
        """


rule download_spice:
    """Download the parser that SPICE uses."""
    output:
        "resources/spice/stanford-corenlp-full-2015-12-09.zip",
    log:
        "resources/logs/download_spice.log",
    benchmark:
        f"results/{STUDY}/benchmarks/download_spice.tsv"
    conda:
        "../envs/recap.yaml"
    resources:
        connections=1,
    params:
        package=package,
        source=source_of_downloads,
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap download-spice \
            --output={output:q} \
            {params.source:q} \
            2>&1 | tee {log:q}
        """


# Another checksum verifies the file that it names, and downloads nothing. Stages and the report depend
# on the record, not what is made of the file, which is the same as before: only the report is made
# again. The priority has a wrong file stop the study before anything else is done.
rule verify_download:
    """Verify a downloaded file, and record its digests."""
    input:
        "resources/{folder}/{file}",
    output:
        "resources/{folder}/{file}.verified.json",
    log:
        "resources/logs/verify_download/{folder}-{file}.log",
    benchmark:
        f"results/{STUDY}/benchmarks/verify_download/{{folder}}-{{file}}.tsv"
    wildcard_constraints:
        folder=one_of(DOWNLOADED),
        file=one_of(DOWNLOADS),
    priority: 1
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        checksum=lambda wildcards: options(checksum=config["checksums"].get(wildcards.file, "")),
        code=code_hash("recap.verify_download"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap verify-download \
            --file={input:q} \
            {params.checksum:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """


rule prepare_annotations:
    """Write the captions of one split as a COCO caption file."""
    input:
        archive_of_annotations,
    output:
        "resources/{dataset}/annotations/{splits}/captions_{split}.json",
    log:
        "resources/logs/prepare_annotations/{dataset}-{splits}-{split}.log",
    benchmark:
        f"results/{STUDY}/benchmarks/prepare_annotations/{{dataset}}-{{splits}}-{{split}}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        code=lambda wildcards: code_hash(dataset_of(wildcards).read_split.__module__),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap prepare-annotations \
            --dataset={wildcards.dataset:q} \
            --archive={input:q} \
            --splits={wildcards.splits:q} \
            --split={wildcards.split:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """
