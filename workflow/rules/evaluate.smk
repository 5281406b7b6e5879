# Caption the photos of the val split with each captioner, and score the captions.
#
# Needs: trained captioners (train.smk) and the val split's reduced features (features.smk)
# Makes: results/{study}/captions/{model}/seed{seed}/{decoder}.json
#        results/{study}/scores/{model}/seed{seed}/{decoder}.json


rule evaluate:
    input:
        runs("results/{study}/scores/{model}/seed{seed}/{decoder}.json"),


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
    output:
        "results/{study}/scores/{model}/seed{seed}/{decoder}.json",
    log:
        "results/{study}/logs/score_captions/{model}-seed{seed}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/score_captions/{model}-seed{seed}-{decoder}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        code=code_hash("recap.scoring.score"),
    shell:
        """
        python -m recap score-captions \
            {input.captions:q} \
            {input.annotations:q} \
            --output {output:q} \
            2>&1 | tee {log:q}
        """
