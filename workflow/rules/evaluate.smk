# Caption the photos of the val split with each captioner, and score the captions.
#
# Needs: trained captioners (train.smk) and the val split's reduced features (features.smk)
# Makes: results/{study}/captions/{model}/seed{seed}/{decoder}.json
#        results/{study}/scores/{model}/seed{seed}/{decoder}.json
#        results/{study}/submissions/captions_val2014_{model}-seed{seed}-{decoder}_results.zip


rule evaluate:
    input:
        runs("results/{study}/scores/{model}/seed{seed}/{decoder}.json"),


rule submission:
    input:
        runs(
            "results/{study}/submissions/captions_val2014_{model}-seed{seed}-{decoder}_results.zip"
        ),


rule generate_captions:
    """Caption the photos of the val split."""
    input:
        model="results/{study}/models/{model}/seed{seed}/model.safetensors",
        config="results/{study}/models/{model}/seed{seed}/config.json",
        features="results/{study}/coco_captioning/val2014_vgg16_fc7_pca.h5",
        annotations=annotations_of("val"),
    output:
        "results/{study}/captions/{model}/seed{seed}/{decoder}.json",
    log:
        "results/{study}/logs/generate_captions/{model}-seed{seed}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/generate_captions/{model}-seed{seed}-{decoder}.tsv"
    conda:
        "../../environment.yml"
    threads: ALL_CORES
    resources:
        mem_mb=4000,
    params:
        folder=subpath(input.model, parent=True),
        device=config["device"],
        code=code_hash("recap.decoding"),
    shell:
        """
        python -m recap generate-captions \
            {params.folder:q} \
            {input.features:q} \
            {input.annotations:q} \
            --output {output:q} \
            --decoder {wildcards.decoder} \
            --device {params.device} \
            --threads {threads} \
            2>&1 | tee {log:q}
        """


rule score_captions:
    """Score captions against those that people wrote."""
    input:
        captions="results/{study}/captions/{model}/seed{seed}/{decoder}.json",
        annotations=annotations_of("val"),
        spice="resources/spice/stanford-corenlp-full-2015-12-09.zip" if config["spice"] else [],
    output:
        "results/{study}/scores/{model}/seed{seed}/{decoder}.json",
    log:
        "results/{study}/logs/score_captions/{model}-seed{seed}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/score_captions/{model}-seed{seed}-{decoder}.tsv"
    conda:
        "../../environment.yml"
    threads: ALL_CORES if config["spice"] else 1
    resources:
        mem_mb=10000 if config["spice"] else 4000,
    params:
        meteor=config["meteor"],
        spice=lambda wildcards, input: options(spice=[input.spice] if input.spice else []),
        # Images that were skipped have no caption.
        subset="--subset" if config["broken_images"] == "skip" else "",
        code=code_hash("recap.scoring.score"),
    shell:
        """
        python -m recap score-captions \
            {input.captions:q} \
            {input.annotations:q} \
            --output {output:q} \
            --meteor={params.meteor} \
            {params.spice:q} \
            {params.subset} \
            2>&1 | tee {log:q}
        """


rule write_submission:
    """Pack captions for COCO's evaluation server."""
    input:
        captions="results/{study}/captions/{model}/seed{seed}/{decoder}.json",
        annotations=annotations_of("val"),
    output:
        "results/{study}/submissions/captions_val2014_{model}-seed{seed}-{decoder}_results.zip",
    log:
        "results/{study}/logs/write_submission/{model}-seed{seed}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/write_submission/{model}-seed{seed}-{decoder}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        # The server's names are split at underscores.
        algorithm=lambda wildcards: "{model}-seed{seed}-{decoder}".format(**wildcards).replace(
            "_", "-"
        ),
        code=code_hash("recap.scoring.submission"),
    shell:
        """
        python -m recap write-submission \
            {input.captions:q} \
            {input.annotations:q} \
            --algorithm {params.algorithm} \
            --output {output:q} \
            2>&1 | tee {log:q}
        """
