# Bring the data set's archives and the backbone's weights, and put captions into COCO's format.
#
# Needs: nothing, or the network, or a mirror.
# Makes: resources/{data}/*.zip, where {data} is the data set, or shapes/ and how it is drawn
#        resources/{data}/annotations/{splits}/captions_{split}.json
#        results/{study}/annotations/captions_{split}.json, if some are chosen
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
        train_images="resources/shapes/{drawn}/train2014.zip",
        val_images="resources/shapes/{drawn}/val2014.zip",
        annotations="resources/shapes/{drawn}/annotations_trainval2014.zip",
    log:
        "resources/logs/draw_shapes/{drawn}.log",
    benchmark:
        "resources/benchmarks/draw_shapes/{drawn}.tsv"
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


# `connections` keeps the downloads that run at once down to what the profile allows. Nodes of a cluster
# often have no network: these jobs run where Snakemake does.
rule download_file:
    """Download a file of the catalogue and verify it."""
    output:
        "resources/{download}",
    log:
        "resources/logs/download_file/{download}.log",
    benchmark:
        "resources/benchmarks/download_file/{download}.tsv"
    localrule: True
    conda:
        "../envs/recap.yaml"
    resources:
        connections=1,
    params:
        package=package,
        file=subpath(output[0], basename=True),
        source=source_of_downloads,
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap download-file \
            --file={params.file:q} \
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
        "resources/{download}",
    output:
        "resources/{download}.verified.json",
    log:
        "resources/logs/verify_download/{download}.log",
    benchmark:
        "resources/benchmarks/verify_download/{download}.tsv"
    priority: 1
    localrule: True
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        checksum=lambda wildcards: options(
            checksum=config["checksums"].get(Path(wildcards.download).name, "")
        ),
        code=code_hash("recap.downloads"),
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
        archives_of_annotations(),
    output:
        "resources/{data}/annotations/{splits}/captions_{split}.json",
    log:
        "resources/logs/prepare_annotations/{data}/{splits}-{split}.log",
    benchmark:
        "resources/benchmarks/prepare_annotations/{data}/{splits}-{split}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        dataset=config["dataset"],
        code=lambda wildcards: code_hash(DATASET.read_split.__module__),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap prepare-annotations \
            --dataset={params.dataset:q} \
            --archive={input:q} \
            --splits={wildcards.splits:q} \
            --split={wildcards.split:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """


if CHOSEN:

    rule choose_captions:
        """Choose what the study takes of a split's captions."""
        input:
            lambda wildcards: all_annotations_of(wildcards.split),
        output:
            "results/{study}/annotations/captions_{split}.json",
        log:
            "results/{study}/logs/choose_captions/{split}.log",
        benchmark:
            "results/{study}/benchmarks/choose_captions/{split}.tsv"
        conda:
            "../envs/recap.yaml"
        params:
            package=package,
            words=config["words"],
            max_images=options(max_images=str(config["max_images"] or "")),
            code=code_hash("recap.datasets.choose_captions"),
        shell:
            """
            PYTHONPATH={params.package:q} python -m recap choose-captions \
                --annotations={input:q} \
                --output={output:q} \
                --words={params.words:q} \
                {params.max_images:q} \
                2>&1 | tee {log:q}
            """
