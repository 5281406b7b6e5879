# Number the words, and write the captions in numbers.
#
# Needs: the captions of each split (datasets.smk); no photos and no features
# Makes: results/{study}/coco_captioning/coco2014_vocab.json
#        results/{study}/coco_captioning/coco2014_captions.h5
#        results/{study}/coco_captioning/dev2014_captions.h5, if there is a dev split
#        results/{study}/coco_captioning/{split}2014_images.txt and _urls.txt

DEV_CAPTIONS = ["results/{study}/coco_captioning/dev2014_captions.h5"] if HAS_DEV else []


rule captions:
    input:
        expand("results/{study}/coco_captioning/coco2014_captions.h5", study=STUDY),
        expand(
            "results/{study}/coco_captioning/{split}2014_{list}.txt",
            study=STUDY,
            split=SPLITS,
            list=["images", "urls"],
        ),
        verified(sources()),


rule list_images:
    """List a split's photos and their addresses in the order of the feature rows."""
    input:
        lambda wildcards: annotations_of(wildcards.split),
    output:
        images="results/{study}/coco_captioning/{split}2014_images.txt",
        urls="results/{study}/coco_captioning/{split}2014_urls.txt",
    log:
        "results/{study}/logs/list_images/{split}.log",
    benchmark:
        "results/{study}/benchmarks/list_images/{split}.tsv"
    # What is wrong with the captions is told before hours of extraction.
    priority: 1
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        needs=lambda wildcards: components_to_find(wildcards.split),
        code=code_hash("recap.datasets.list_images"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap list-images \
            --annotations={input:q} \
            --images={output.images:q} \
            --urls={output.urls:q} \
            {params.needs:q} \
            2>&1 | tee {log:q}
        """


rule build_vocabulary:
    """Number the most frequent words of the training captions."""
    input:
        annotations_of("train"),
    output:
        "results/{study}/coco_captioning/coco2014_vocab.json",
    log:
        "results/{study}/logs/build_vocabulary.log",
    benchmark:
        "results/{study}/benchmarks/build_vocabulary.tsv"
    priority: 1
    conda:
        "../envs/recap.yaml"
    params:
        **config["vocabulary"],
        package=package,
        max_words=config["max_words"],
        code=code_hash("recap.captions.vocabulary"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap build-vocabulary \
            --annotations={input:q} \
            --output={output:q} \
            --size={params.size:q} \
            --min-count={params.min_count:q} \
            --max-words={params.max_words:q} \
            2>&1 | tee {log:q}
        """


rule encode_captions:
    """Write the captions of the splits in numbers."""
    input:
        vocabulary="results/{study}/coco_captioning/coco2014_vocab.json",
        train=annotations_of("train"),
        val=annotations_of("val"),
        dev=[annotations_of("dev")] if HAS_DEV else [],
    output:
        captions="results/{study}/coco_captioning/coco2014_captions.h5",
        dev=DEV_CAPTIONS,
    log:
        "results/{study}/logs/encode_captions.log",
    benchmark:
        "results/{study}/benchmarks/encode_captions.tsv"
    priority: 1
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        max_words=config["max_words"],
        dev=lambda wildcards, input, output: options(dev=input.dev, dev_output=output.dev),
        photos=options(photos=places_of_own_photos()),
        code=code_hash("recap.captions.encode"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap encode-captions \
            --vocabulary={input.vocabulary:q} \
            --train={input.train:q} \
            --val={input.val:q} \
            --output={output.captions:q} \
            --max-words={params.max_words:q} \
            {params.dev:q} \
            {params.photos:q} \
            2>&1 | tee {log:q}
        """


if COURSE:

    # The other rules would make the same files anew.
    ruleorder: take_course_files > gather_features > list_images > build_vocabulary > encode_captions

    rule take_course_files:
        """Begin the study with the files of a coco_captioning folder."""
        input:
            COURSE.paths,
        output:
            files=expand("results/{{study}}/coco_captioning/{name}", name=COURSE.names),
            annotations=expand("results/{{study}}/annotations/captions_{split}.json", split=SPLITS),
        log:
            "results/{study}/logs/take_course_files.log",
        benchmark:
            "results/{study}/benchmarks/take_course_files.tsv"
        priority: 1
        conda:
            "../envs/recap.yaml"
        params:
            package=package,
            source=lambda wildcards: config["course"],
            files=lambda wildcards, output: str(Path(output.files[0]).parent),
            annotations=lambda wildcards, output: str(Path(output.annotations[0]).parent),
            code=code_hash("recap.captions.course"),
        shell:
            """
            PYTHONPATH={params.package:q} python -m recap take-course-files \
                --source={params.source:q} \
                --output={params.files:q} \
                --annotations={params.annotations:q} \
                2>&1 | tee {log:q}
            """
