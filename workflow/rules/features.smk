# Turn photos into features, and reduce them by PCA.
#
# Needs: the photos and captions of each split, and the backbone's weights (datasets.smk)
# Makes: resources/features/{features}/calibration.json, for int8
#        resources/features/{features}/{split}/{scatteritem}.json and .h5: lists and features of shards
#        results/{study}/coco_captioning/{split}2014_vgg16_fc7.h5, unless whole_features is false
#        results/{study}/coco_captioning/{split}2014_vgg16_fc7_pca.h5
#        results/{study}/features/pca.h5
#
# No job holds what grows with the photos: shards are listed, extracted, summed and reduced one by one.
# Gathering copies them, for who wants the course's files, and training reads what is reduced.
#
# The names say vgg16_fc7 and 2014 for every backbone and data set, because CS231n's loader asks for
# them; the files' attributes say what they hold.


# In how many shards, each a job, the features of a split are extracted. It is no science, and not in
# the config: a profile says it, or the command line with --set-scatter shards=8.
scattergather:
    shards=1,


wildcard_constraints:
    features=one_of(map(features_of, SPLITS)),
    kind="|_pca",


rule features:
    input:
        expand(
            "results/{study}/coco_captioning/{split}2014_vgg16_fc7{kind}.h5",
            study=STUDY,
            split=SPLITS,
            kind=KINDS,
        ),
        expand("results/{study}/coco_captioning/{split}2014_images.txt", study=STUDY, split=SPLITS),
        verified(sources()),


# It has no digest of its code: another edit than one of what is written, which FORM counts, reruns
# nothing.
rule list_shards:
    """List the photos of each shard of a split."""
    input:
        lambda wildcards: annotations_of(wildcards.split),
    output:
        scatter.shards("resources/features/{{features}}/{{split}}/{scatteritem}.json"),
    log:
        "resources/logs/list_shards/{features}/{split}.log",
    benchmark:
        "resources/benchmarks/list_shards/{features}/{split}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        folder=subpath(output[0], parent=True),
        shards=len(scatter.shards("{scatteritem}")),
        batch=config["feature_batch"],
        form=FORM,
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap list-shards \
            --annotations={input:q} \
            --output={params.folder:q} \
            --shards={params.shards:q} \
            --batch={params.batch:q} \
            2>&1 | tee {log:q}
        """


rule calibrate_extraction:
    """Find on training photos what extraction in int8 needs, for the shards of all splits."""
    input:
        images=images_of("train"),
        annotations=annotations_of("train"),
        weights=weights_of_backbone(),
    output:
        "resources/features/{features}/calibration.json",
    log:
        "resources/logs/calibrate_extraction/{features}.log",
    benchmark:
        "resources/benchmarks/calibrate_extraction/{features}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        more_images=lambda wildcards, input: options(more_images=input.images[1:]),
        backbone=config["backbone"],
        weights=lambda wildcards, input: str(input.weights) or "random",
        layer=LAYER,
        photos=lambda wildcards: photos_of("train"),
        code=code_hash("recap.features.calibrate"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap calibrate-extraction \
            --images={input.images[0]:q} \
            --annotations={input.annotations:q} \
            {params.more_images:q} \
            --output={output:q} \
            --backbone={params.backbone:q} \
            --weights={params.weights:q} \
            --layer={params.layer:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


# Studies share the shards, and each gathers files of its own: those of one study stay as they are when
# another is extracted anew, when somebody writes into them, or when resources/ is removed.
rule extract_features:
    """Compute the features of one shard of a split's photos with the backbone."""
    input:
        images=lambda wildcards: images_of(wildcards.split),
        list="resources/features/{features}/{split}/{scatteritem}.json",
        weights=weights_of_backbone(),
        calibration=calibration(),
    output:
        "resources/features/{features}/{split}/{scatteritem}.h5",
    log:
        "resources/logs/extract_features/{features}/{split}/{scatteritem}.log",
    benchmark:
        "resources/benchmarks/extract_features/{features}/{split}/{scatteritem}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        more_images=lambda wildcards, input: options(more_images=input.images[1:]),
        backbone=config["backbone"],
        weights=lambda wildcards, input: str(input.weights) or "random",
        layer=LAYER,
        device=config["device"],
        precision=config["feature_precision"],
        calibration=lambda wildcards, input: options(calibration=input.calibration),
        batch=config["feature_batch"],
        photos=lambda wildcards: photos_of(wildcards.split),
        # No property of the features: it takes the output, and is not compared (see `package`).
        broken_images=lambda wildcards, output: config["broken_images"],
        code=code_hash("recap.features.extract"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap extract-features \
            --images={input.images[0]:q} \
            --annotations={input.list:q} \
            {params.more_images:q} \
            --output={output:q} \
            --backbone={params.backbone:q} \
            --weights={params.weights:q} \
            --layer={params.layer:q} \
            --broken-images={params.broken_images:q} \
            --device={params.device:q} \
            --precision={params.precision:q} \
            {params.calibration:q} \
            --batch={params.batch:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule gather_features:
    """Put the shards of a split's features together, in row order."""
    input:
        lambda wildcards: (
            shards_of(wildcards.split, "results/{study}/features/{split}/{scatteritem}.h5")
            if wildcards.kind
            else features_in_shards(wildcards.split)
        ),
    output:
        "results/{study}/coco_captioning/{split}2014_vgg16_fc7{kind}.h5",
    log:
        "results/{study}/logs/gather_features/{split}{kind}.log",
    benchmark:
        "results/{study}/benchmarks/gather_features/{split}{kind}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        code=code_hash("recap.features.gather"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap gather-features \
            {input:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """


rule sum_features:
    """Sum the training features of one shard, and their products."""
    input:
        features=lambda wildcards: shard("train", wildcards.scatteritem),
        first=features_in_shards("train")[0],
    output:
        temp("results/{study}/features/sums/{scatteritem}.h5"),
    log:
        "results/{study}/logs/sum_features/{scatteritem}.log",
    benchmark:
        "results/{study}/benchmarks/sum_features/{scatteritem}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(1500),
    params:
        package=package,
        device=config["device"],
        code=code_hash("recap.features.pca"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap sum-features \
            --features={input.features:q} \
            --first={input.first:q} \
            --output={output:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule fit_pca:
    """Find the principal components of the training features."""
    input:
        shards_of("train", "results/{{study}}/features/sums/{scatteritem}.h5"),
    output:
        "results/{study}/features/pca.h5",
    log:
        "results/{study}/logs/fit_pca.log",
    benchmark:
        "results/{study}/benchmarks/fit_pca.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(1500),
    params:
        package=package,
        components=config["pca_components"],
        device=config["device"],
        code=code_hash("recap.features.pca"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap fit-pca \
            {input:q} \
            --output={output:q} \
            --components={params.components:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule apply_pca:
    """Reduce one shard of a split's features to their principal components."""
    input:
        features=lambda wildcards: shard(wildcards.split, wildcards.scatteritem),
        pca="results/{study}/features/pca.h5",
    output:
        temp("results/{study}/features/{split}/{scatteritem}.h5"),
    log:
        "results/{study}/logs/apply_pca/{split}/{scatteritem}.log",
    benchmark:
        "results/{study}/benchmarks/apply_pca/{split}/{scatteritem}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(1500),
    params:
        package=package,
        code=code_hash("recap.features.pca"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap apply-pca \
            --features={input.features:q} \
            --pca={input.pca:q} \
            --output={output:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


if GIVEN:

    # The other rule would extract them.
    ruleorder: take_features > gather_features

    rule take_features:
        """Take features that others computed."""
        input:
            features=lambda wildcards: config["own"][wildcards.split]["features"],
            annotations=lambda wildcards: annotations_of(wildcards.split),
        output:
            "results/{study}/coco_captioning/{split}2014_vgg16_fc7.h5",
        log:
            "results/{study}/logs/take_features/{split}.log",
        benchmark:
            "results/{study}/benchmarks/take_features/{split}.tsv"
        conda:
            "../envs/recap.yaml"
        params:
            package=package,
            code=code_hash("recap.features.take"),
        shell:
            """
            PYTHONPATH={params.package:q} python -m recap take-features \
                --features={input.features:q} \
                --annotations={input.annotations:q} \
                --output={output:q} \
                2>&1 | tee {log:q}
            """
