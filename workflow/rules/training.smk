# Train each captioner of the study, once a seed.
#
# Needs: reduced features (features.smk) and encoded captions (captions.smk)
# Makes: results/{study}/models/{model}/seed{seed}/model.safetensors, config.json, history.csv

DEV_FEATURES = ["results/{study}/coco_captioning/dev2014_vgg16_fc7_pca.h5"] if HAS_DEV else []


rule training:
    input:
        runs("results/{study}/models/{model}/seed{seed}/model.safetensors"),
        verified(sources()),


rule train_captioner:
    """Train a captioner and keep its best epoch."""
    input:
        features="results/{study}/coco_captioning/train2014_vgg16_fc7_pca.h5",
        captions="results/{study}/coco_captioning/coco2014_captions.h5",
        vocabulary="results/{study}/coco_captioning/coco2014_vocab.json",
        dev_features=DEV_FEATURES,
        dev_captions=DEV_CAPTIONS,
    output:
        model="results/{study}/models/{model}/seed{seed}/model.safetensors",
        config="results/{study}/models/{model}/seed{seed}/config.json",
        history="results/{study}/models/{model}/seed{seed}/history.csv",
    log:
        "results/{study}/logs/train_captioner/{model}-seed{seed}.log",
    benchmark:
        "results/{study}/benchmarks/train_captioner/{model}-seed{seed}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        # The features are held once, as far as they may be.
        mem_mb=lambda wildcards, input, attempt: (
            attempt * (2000 + round(1.1 * min(input.size_mb, config["feature_memory"])))
        ),
    params:
        package=package,
        folder=subpath(output.model, parent=True),
        recipe=lambda wildcards: json.dumps(config["models"][wildcards.model]),
        dev_share=config["dev_share"],
        dataset=config["dataset"],
        memory=config["feature_memory"],
        dev=lambda wildcards, input: options(
            dev_features=input.dev_features, dev_captions=input.dev_captions
        ),
        device=config["device"],
        precision=config["precision"],
        code=code_hash("recap.training.train"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap train-captioner \
            --features={input.features:q} \
            --captions={input.captions:q} \
            --vocabulary={input.vocabulary:q} \
            --output={params.folder:q} \
            --recipe={params.recipe:q} \
            --seed={wildcards.seed:q} \
            --dev-share={params.dev_share:q} \
            --dataset={params.dataset:q} \
            --feature-memory={params.memory:q} \
            {params.dev:q} \
            --device={params.device:q} \
            --precision={params.precision:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """
