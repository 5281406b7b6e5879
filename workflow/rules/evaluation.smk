# Caption the photos of the val split with each captioner, and score the captions. A run is a seed's
# captioner, or the ensemble of all seeds.
#
# Needs: trained captioners (training.smk) and the val split's reduced features (features.smk)
# Makes: results/{study}/captions/{model}/{run}/{decoder}.json, {decoder}.words.json, perplexity.json
#        results/{study}/explanations/{model}/{run}/{decoder}.json, {decoder}.npz
#        results/{study}/scores/{model}/{run}/{decoder}.json
#        results/{study}/submissions/captions_val2014_{model}-{run}-{decoder}_results.zip

SPICE = ["resources/spice/stanford-corenlp-full-2015-12-09.zip"] if config["spice"] else []


rule evaluation:
    input:
        decodings("results/{study}/scores/{model}/{run}/{decoder}.json"),
        decodings("results/{study}/captions/{model}/{run}/perplexity.json"),
        explained("results/{study}/explanations/{model}/{run}/{decoder}.json"),
        verified(sources()),


rule submission:
    input:
        decodings(
            "results/{study}/submissions/captions_val2014_{model}-{run}-{decoder}_results.zip"
        ),


rule generate_captions:
    """Caption the photos of the val split."""
    input:
        models=trained("model.safetensors"),
        configs=trained("config.json"),
        features="results/{study}/coco_captioning/val2014_vgg16_fc7_pca.h5",
        annotations=annotations_of("val"),
        captions=branch(
            lambda wildcards: read_decoder(wildcards.decoder).mbr,
            then="results/{study}/coco_captioning/coco2014_captions.h5",
            otherwise=[],
        ),
        training_features=branch(
            lambda wildcards: read_decoder(wildcards.decoder).neighbours > 0,
            then="results/{study}/coco_captioning/train2014_vgg16_fc7_pca.h5",
            otherwise=[],
        ),
    output:
        captions="results/{study}/captions/{model}/{run}/{decoder}.json",
        words="results/{study}/captions/{model}/{run}/{decoder}.words.json",
    log:
        "results/{study}/logs/generate_captions/{model}-{run}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/generate_captions/{model}-{run}-{decoder}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        given=lambda wildcards, input: options(
            model=[Path(path).parent for path in input.models],
            captions=input.captions,
            training_features=input.training_features,
        ),
        device=config["device"],
        code=code_hash("recap.evaluation.generate"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap generate-captions \
            --features={input.features:q} \
            --annotations={input.annotations:q} \
            {params.given:q} \
            --output={output.captions:q} \
            --words-output={output.words:q} \
            --decoder={wildcards.decoder:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule measure_perplexity:
    """Measure how likely a captioner finds the captions that people wrote."""
    input:
        models=trained("model.safetensors"),
        configs=trained("config.json"),
        features="results/{study}/coco_captioning/val2014_vgg16_fc7_pca.h5",
        annotations=annotations_of("val"),
    output:
        "results/{study}/captions/{model}/{run}/perplexity.json",
    log:
        "results/{study}/logs/measure_perplexity/{model}-{run}.log",
    benchmark:
        "results/{study}/benchmarks/measure_perplexity/{model}-{run}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        folders=lambda wildcards, input: options(model=[Path(path).parent for path in input.models]),
        device=config["device"],
        code=code_hash("recap.evaluation.perplexity"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap measure-perplexity \
            --features={input.features:q} \
            --annotations={input.annotations:q} \
            {params.folders:q} \
            --output={output:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule explain_captions:
    """Show which pixels made a captioner say each word of its captions of a few photos."""
    input:
        model="results/{study}/models/{model}/{run}/model.safetensors",
        config="results/{study}/models/{model}/{run}/config.json",
        captions="results/{study}/captions/{model}/{run}/{decoder}.words.json",
        annotations=annotations_of("val"),
        images=images_of("val"),
        scenes=archives_of_annotations() if config["dataset"] == "shapes" else [],
        pca=PCA,
        weights=weights_of_backbone(),
    output:
        explanations="results/{study}/explanations/{model}/{run}/{decoder}.json",
        maps="results/{study}/explanations/{model}/{run}/{decoder}.npz",
    log:
        "results/{study}/logs/explain_captions/{model}-{run}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/explain_captions/{model}-{run}-{decoder}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        images=lambda wildcards, input: options(images=input.images),
        folder=subpath(input.model, parent=True),
        scenes=lambda wildcards, input: options(scenes=input.scenes),
        weights=lambda wildcards, input: str(input.weights) or "random",
        photos=config["explained_photos"],
        device=config["device"],
        code=code_hash("recap.evaluation.explain"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap explain-captions \
            --captions={input.captions:q} \
            --annotations={input.annotations:q} \
            {params.images:q} \
            --model={params.folder:q} \
            --pca={input.pca:q} \
            --output={output.explanations:q} \
            --maps-output={output.maps:q} \
            --weights={params.weights:q} \
            {params.scenes:q} \
            --photos={params.photos:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


# Images that were skipped have no caption: --subset leaves them out.
rule score_captions:
    """Score captions against those that people wrote."""
    input:
        captions="results/{study}/captions/{model}/{run}/{decoder}.json",
        annotations=annotations_of("val"),
        spice=SPICE,
        verified=verified(SPICE),
    output:
        "results/{study}/scores/{model}/{run}/{decoder}.json",
    log:
        "results/{study}/logs/score_captions/{model}-{run}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/score_captions/{model}-{run}-{decoder}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores if config["spice"] else 1
    resources:
        mem_mb=memory(10000 if config["spice"] else 4000),
    params:
        package=package,
        meteor=config["meteor"],
        spice=lambda wildcards, input: options(spice=input.spice),
        code=code_hash("recap.evaluation.scoring.score"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap score-captions \
            --results={input.captions:q} \
            --annotations={input.annotations:q} \
            --output={output:q} \
            --subset \
            --meteor={params.meteor:q} \
            {params.spice:q} \
            2>&1 | tee {log:q}
        """


rule write_submission:
    """Pack captions for COCO's evaluation server."""
    input:
        captions="results/{study}/captions/{model}/{run}/{decoder}.json",
        annotations=annotations_of("val"),
    output:
        "results/{study}/submissions/captions_val2014_{model}-{run}-{decoder}_results.zip",
    log:
        "results/{study}/logs/write_submission/{model}-{run}-{decoder}.log",
    benchmark:
        "results/{study}/benchmarks/write_submission/{model}-{run}-{decoder}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        # The server takes names of letters, digits and hyphens.
        algorithm=lambda wildcards: re.sub(
            "[^A-Za-z0-9]+", "-", "{model}-{run}-{decoder}".format(**wildcards)
        ),
        code=code_hash("recap.evaluation.scoring.submission"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap write-submission \
            --results={input.captions:q} \
            --images={input.annotations:q} \
            --algorithm={params.algorithm:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """
