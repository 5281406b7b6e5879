# Compare the captioners of the study on one page.
#
# Needs: scores and captions (evaluate.smk), training histories (train.smk), the val split's photos
# Makes: results/{study}/report/index.html, comparison.csv, learning_curves.svg, summary.txt


rule report:
    input:
        expand("results/{study}/report/index.html", study=STUDY),
        rules.encode.input,


rule compare_captioners:
    """Write the report that compares the captioners."""
    input:
        scores=runs("results/{study}/scores/{model}/seed{seed}/{decoder}.json"),
        captions=runs("results/{study}/captions/{model}/seed{seed}/{decoder}.json"),
        histories=runs("results/{study}/models/{model}/seed{seed}/history.csv"),
        configs=runs("results/{study}/models/{model}/seed{seed}/config.json"),
        features="results/{study}/coco_captioning/val2014_vgg16_fc7.h5",
        pca="results/{study}/features/pca.h5",
        images=images_of("val"),
        annotations=annotations_of("val"),
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
    log:
        "results/{study}/logs/compare_captioners.log",
    benchmark:
        "results/{study}/benchmarks/compare_captioners.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        study=subpath(output.page, ancestor=2),
        folder=subpath(output.page, parent=True),
        models=config["train"],
        seeds=config["seeds"],
        decoders=config["decoders"],
        # Not where bytes come from, and not the models, whose recipes lie in their folders.
        settings=json.dumps(
            {
                key: value
                for key, value in config.items()
                if key not in ("mirror", "urls", "models", "own")
            }
        ),
        code=code_hash("recap.report.compare"),
    shell:
        """
        python -m recap compare-captioners \
            {params.study:q} \
            --images {input.images:q} \
            --annotations {input.annotations:q} \
            --output {params.folder:q} \
            --models {params.models:q} \
            --seeds {params.seeds} \
            --decoders {params.decoders} \
            --settings {params.settings:q} \
            2>&1 | tee {log:q}
        """
