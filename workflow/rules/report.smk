# Record what the study was made from, and compare its captioners on one page.
#
# Needs: scores and captions (evaluation.smk), trainings (training.smk), features (features.smk), the
#        photos and captions of each split (datasets.smk)
# Makes: results/{study}/provenance.json, ro-crate-metadata.json
#        results/index.html, which links the reports of all studies
#        results/{study}/report/index.html, comparison.csv, learning_curves.svg, summary.txt; photos/ with `gallery: all`


rule report:
    input:
        expand("results/{study}/report/index.html", study=STUDY),


rule prepare_categories:
    """Write which objects the photos of one split show."""
    input:
        archives_of_annotations(),
    output:
        "resources/{data}/annotations/{splits}/categories_{split}.json",
    log:
        "resources/logs/prepare_categories/{data}/{splits}-{split}.log",
    benchmark:
        "resources/benchmarks/prepare_categories/{data}/{splits}-{split}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        dataset=config["dataset"],
        code=code_hash("recap.datasets.categories"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap prepare-categories \
            --dataset={params.dataset:q} \
            --archive={input:q} \
            --split={wildcards.split:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """


# What the jobs took that make what studies share, whichever study they ran for.
SHARED_JOBS = expand(
    [
        rules.draw_shapes.benchmark,
        rules.download_file.benchmark,
        rules.verify_download.benchmark,
        rules.prepare_annotations.benchmark,
        rules.prepare_categories.benchmark,
        rules.list_shards.benchmark,
        rules.calibrate_extraction.benchmark,
        str(Path(rules.extract_features.benchmark).parents[1]),  # of all shards
    ],
    drawn=DRAWN,
    download=downloads([*sources(), *SPICE]),
    data=DATA,
    splits=config["split"],
    split=SPLITS,
    features=[features_of(split) for split in SPLITS],
)


rule record_provenance:
    """Write down what the study was made from and what came of it, with checksums."""
    input:
        sources=sources(),
        verified=verified(sources()),
        images=images_of("val"),
        annotations=annotations_of("val"),
        train_annotations=annotations_of("train"),
        categories=categories_of("val"),
        features=rules.features.input,
        encoded=rules.captions.input,
        pca=PCA,
        models=runs("results/{study}/models/{model}/seed{seed}/model.safetensors"),
        scores=decodings("results/{study}/scores/{model}/{run}/{decoder}.json"),
        perplexities=decodings("results/{study}/captions/{model}/{run}/perplexity.json"),
    output:
        record="results/{study}/provenance.json",
        run="results/{study}/ro-crate-metadata.json",
    log:
        "results/{study}/logs/record_provenance.log",
    benchmark:
        "results/{study}/benchmarks/record_provenance.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(2000),
    params:
        package=package,
        study=subpath(output.record, parent=True),
        images=lambda wildcards, input: options(images=input.images),
        categories=lambda wildcards, input: options(categories=input.categories),
        inputs=lambda wildcards, input: options(inputs=input.sources),
        compared=options(models=config["train"], seeds=config["seeds"], decoders=config["decoders"]),
        ensembles=config["ensemble"],
        settings=lambda wildcards: settings_to_tell(),
        command=command_line,
        # No property of the study: it takes the output, and is not compared (see `package`).
        shared=lambda wildcards, output: options(shared_jobs=SHARED_JOBS),
        code=code_hash("recap.report.captioning.record"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap record-provenance \
            --study={params.study:q} \
            {params.images:q} \
            --annotations={input.annotations:q} \
            --train-annotations={input.train_annotations:q} \
            {params.categories:q} \
            {params.inputs:q} \
            {params.compared:q} \
            --ensembles={params.ensembles:q} \
            --settings={params.settings:q} \
            --command={params.command:q} \
            {params.shared:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


# Pictures of the scored photos that do not lie in the page itself, where all are to be searched.
PHOTOS_BESIDE = [directory("results/{study}/report/photos")] if config["gallery"] == "all" else []


rule compare_captioners:
    """Write the report that compares the captioners."""
    input:
        provenance="results/{study}/provenance.json",
        run="results/{study}/ro-crate-metadata.json",
        scores=decodings("results/{study}/scores/{model}/{run}/{decoder}.json"),
        captions=decodings("results/{study}/captions/{model}/{run}/{decoder}.json"),
        words=decodings("results/{study}/captions/{model}/{run}/{decoder}.words.json"),
        perplexities=decodings("results/{study}/captions/{model}/{run}/perplexity.json"),
        explanations=explained("results/{study}/explanations/{model}/{run}/{decoder}.json"),
        maps=explained("results/{study}/explanations/{model}/{run}/{decoder}.npz"),
        histories=runs("results/{study}/models/{model}/seed{seed}/history.csv"),
        configs=runs("results/{study}/models/{model}/seed{seed}/config.json"),
        features="results/{study}/coco_captioning/val2014_vgg16_fc7_pca.h5",
        pca=PCA,
        encoded="results/{study}/coco_captioning/coco2014_captions.h5",
        vocabulary="results/{study}/coco_captioning/coco2014_vocab.json",
        dev_encoded=DEV_CAPTIONS,
        images=images_of("val"),
        annotations=annotations_of("val"),
        train_annotations=annotations_of("train"),
        categories=categories_of("val"),
    output:
        page=report(
            "results/{study}/report/index.html",
            caption="../report/page.rst",
            category="Comparison",
            labels={"study": "{study}", "content": "report"},
        ),
        table=report(
            "results/{study}/report/comparison.csv",
            caption="../report/comparison.rst",
            category="Comparison",
            labels={"study": "{study}", "content": "scores"},
        ),
        curves=report(
            "results/{study}/report/learning_curves.svg",
            caption="../report/learning_curves.rst",
            category="Training",
            labels={"study": "{study}", "content": "learning curves"},
        ),
        summary="results/{study}/report/summary.txt",
        photos=PHOTOS_BESIDE,
    log:
        "results/{study}/logs/compare_captioners.log",
    benchmark:
        "results/{study}/benchmarks/compare_captioners.tsv"
    conda:
        "../envs/recap.yaml"
    resources:
        mem_mb=memory(2000),
    params:
        package=package,
        study=subpath(output.page, ancestor=2),
        folder=subpath(output.page, parent=True),
        compared=options(models=config["train"], seeds=config["seeds"], decoders=config["decoders"]),
        ensembles=config["ensemble"],
        gallery=config["gallery"],
        code=code_hash("recap.report.captioning.compare"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap compare-captioners \
            {params.study:q} \
            --output={params.folder:q} \
            {params.compared:q} \
            --ensembles={params.ensembles:q} \
            --gallery={params.gallery:q} \
            2>&1 | tee {log:q}
        """


rule link_reports:
    """Link the reports of all studies on one page."""
    input:
        expand(
            "results/{study}/report/index.html",
            study=[STUDY, VISION["study"], GENERATIVE["study"]],
        ),
    output:
        "results/index.html",
    log:
        f"results/{STUDY}/logs/link_reports.log",
    benchmark:
        f"results/{STUDY}/benchmarks/link_reports.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        code=code_hash("recap.report.start.link_reports"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap link-reports \
            {input:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """
