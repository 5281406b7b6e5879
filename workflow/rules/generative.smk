# Train GANs on small pictures in classes, such as digits, and compare them.
#
# Needs: nothing, or the files of MNIST or Fashion-MNIST (datasets.smk), or a folder of pictures
# Makes: resources/digits/{digits}/*.gz, or results/{generative}/pictures/*.gz of a folder
#        results/{generative}/classifier/classifier.safetensors, config.json
#        results/{generative}/gans/{gan}/seed{seed}/generator.safetensors, discriminator.safetensors,
#        config.json, history.csv, samples.npz, samples.png
#        results/{generative}/scores/{gan}/seed{seed}.json, .npz
#        results/{generative}/report/index.html, summary.txt, {gan}.gif

GAN = "results/{generative}/gans/{gan}/seed{seed}"


rule generative:
    input:
        f"results/{GENERATIVE['study']}/report/index.html",
        gans(f"{GAN}/samples.png"),
        verified(pictures_of_gans().values()),


rule draw_digits:
    """Draw digits in the fonts that Matplotlib ships, in MNIST's format."""
    output:
        **named_pictures("resources/digits/{digits}"),
    log:
        "resources/logs/draw_digits/{digits}.log",
    benchmark:
        "resources/benchmarks/draw_digits/{digits}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        **GENERATIVE["digits"],
        package=package,
        code=code_hash("recap.datasets.digits.draw"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap draw-digits \
            --train-images={output.train_images:q} \
            --train-labels={output.train_labels:q} \
            --test-images={output.test_images:q} \
            --test-labels={output.test_labels:q} \
            --train={params.train:q} \
            --test={params.test:q} \
            --seed={params.seed:q} \
            2>&1 | tee {log:q}
        """


rule pack_pictures:
    """Pack a folder of pictures, a sub-folder a class, in MNIST's format."""
    input:
        # A folder's time tells of files that are no pictures, and not of all that are.
        lambda wildcards: [ancient(GENERATIVE["pictures"])],
    output:
        **named_pictures("results/{generative}/pictures"),
    log:
        "results/{generative}/logs/pack_pictures.log",
    benchmark:
        "results/{generative}/benchmarks/pack_pictures.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        folder=GENERATIVE["pictures"],
        pictures=describe_pictures(Path(GENERATIVE["pictures"])) if OWN_PICTURES else "",
        invert=GENERATIVE["invert"],
        seed=GENERATIVE["digits"]["seed"],
        code=code_hash("recap.datasets.digits.pack"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap pack-pictures \
            {params.folder:q} \
            --train-images={output.train_images:q} \
            --train-labels={output.train_labels:q} \
            --test-images={output.test_images:q} \
            --test-labels={output.test_labels:q} \
            --invert={params.invert:q} \
            --seed={params.seed:q} \
            2>&1 | tee {log:q}
        """


rule train_digit_classifier:
    """Train the network that judges GANs."""
    input:
        **pictures_of_gans(),
    output:
        classifier="results/{generative}/classifier/classifier.safetensors",
        config="results/{generative}/classifier/config.json",
    log:
        "results/{generative}/logs/train_digit_classifier.log",
    benchmark:
        "results/{generative}/benchmarks/train_digit_classifier.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(2000),
    params:
        package=package,
        folder=subpath(output.classifier, parent=True),
        epochs=GENERATIVE["classifier_epochs"],
        device=config["device"],
        code=code_hash("recap.generative.classifier"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap train-digit-classifier \
            --train-images={input.train_images:q} \
            --train-labels={input.train_labels:q} \
            --test-images={input.test_images:q} \
            --test-labels={input.test_labels:q} \
            --output={params.folder:q} \
            --epochs={params.epochs:q} \
            --device={params.device:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule train_gan:
    """Train a generator against a discriminator."""
    input:
        pictures_of_gans()["train_images"],
    output:
        generator=f"{GAN}/generator.safetensors",
        discriminator=f"{GAN}/discriminator.safetensors",
        config=f"{GAN}/config.json",
        history=f"{GAN}/history.csv",
        samples=f"{GAN}/samples.npz",
    log:
        "results/{generative}/logs/train_gan/{gan}-seed{seed}.log",
    benchmark:
        "results/{generative}/benchmarks/train_gan/{gan}-seed{seed}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: cores_of_a_gan
    resources:
        mem_mb=memory(3000),
    params:
        package=package,
        folder=subpath(output.generator, parent=True),
        recipe=lambda wildcards: json.dumps(GENERATIVE["gans"][wildcards.gan]),
        device=config["device"],
        precision=config["precision"],
        code=code_hash("recap.generative.train"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap train-gan \
            {input:q} \
            --output={params.folder:q} \
            --recipe={params.recipe:q} \
            --seed={wildcards.seed:q} \
            --device={params.device:q} \
            --precision={params.precision:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule sample_gan:
    """Draw pictures from a trained generator, and lay them in a grid."""
    input:
        generator=f"{GAN}/generator.safetensors",
        config=f"{GAN}/config.json",
    output:
        f"{GAN}/samples.png",
    log:
        "results/{generative}/logs/sample_gan/{gan}-seed{seed}.log",
    benchmark:
        "results/{generative}/benchmarks/sample_gan/{gan}-seed{seed}.tsv"
    conda:
        "../envs/recap.yaml"
    params:
        package=package,
        folder=subpath(input.generator, parent=True),
        code=code_hash("recap.generative.sample"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap sample-gan \
            {params.folder:q} \
            --output={output:q} \
            2>&1 | tee {log:q}
        """


rule score_gan:
    """Measure a trained GAN against the test pictures."""
    input:
        generator=f"{GAN}/generator.safetensors",
        config=f"{GAN}/config.json",
        samples=f"{GAN}/samples.npz",
        classifier="results/{generative}/classifier/classifier.safetensors",
        classifier_config="results/{generative}/classifier/config.json",
        train_images=pictures_of_gans()["train_images"],
        test_images=pictures_of_gans()["test_images"],
    output:
        scores="results/{generative}/scores/{gan}/seed{seed}.json",
        pictures="results/{generative}/scores/{gan}/seed{seed}.npz",
    log:
        "results/{generative}/logs/score_gan/{gan}-seed{seed}.log",
    benchmark:
        "results/{generative}/benchmarks/score_gan/{gan}-seed{seed}.tsv"
    conda:
        "../envs/recap.yaml"
    threads: all_cores
    resources:
        mem_mb=memory(4000),
    params:
        package=package,
        folder=subpath(input.generator, parent=True),
        judge=subpath(input.classifier, parent=True),
        samples=GENERATIVE["samples"],
        code=code_hash("recap.generative.score"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap score-gan \
            {params.folder:q} \
            --classifier={params.judge:q} \
            --train-images={input.train_images:q} \
            --test-images={input.test_images:q} \
            --output={output.scores:q} \
            --pictures={output.pictures:q} \
            --samples={params.samples:q} \
            --threads={threads:q} \
            2>&1 | tee {log:q}
        """


rule compare_gans:
    """Write the report that compares the GANs."""
    input:
        scores=gans("results/{generative}/scores/{gan}/seed{seed}.json"),
        pictures=gans("results/{generative}/scores/{gan}/seed{seed}.npz"),
        samples=gans(f"{GAN}/samples.npz"),
        histories=gans(f"{GAN}/history.csv"),
        configs=gans(f"{GAN}/config.json"),
        judge="results/{generative}/classifier/config.json",
    output:
        page=report(
            "results/{generative}/report/index.html",
            caption="../report/gans.rst",
            category="GANs",
            labels={"study": "{generative}", "content": "report"},
        ),
        animations=expand("results/{{generative}}/report/{gan}.gif", gan=GENERATIVE["train"]),
        summary="results/{generative}/report/summary.txt",
    log:
        "results/{generative}/logs/compare_gans.log",
    benchmark:
        "results/{generative}/benchmarks/compare_gans.tsv"
    conda:
        "../envs/recap.yaml"
    resources:
        mem_mb=memory(2000),
    params:
        package=package,
        study=subpath(output.page, ancestor=2),
        folder=subpath(output.page, parent=True),
        compared=options(gans=GENERATIVE["train"], seeds=GENERATIVE["seeds"]),
        code=code_hash("recap.report.generative.compare"),
    shell:
        """
        PYTHONPATH={params.package:q} python -m recap compare-gans \
            {params.study:q} \
            --output={params.folder:q} \
            {params.compared:q} \
            2>&1 | tee {log:q}
        """
