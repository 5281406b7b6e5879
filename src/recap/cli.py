"""The command line: a subcommand for each stage, made from the stage's own function."""

import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import recap
from recap.core.errors import NO_ROOM, InputError

if TYPE_CHECKING:
    from inspect import BoundArguments

    from cyclopts import App, Token

# Modules are imported only when their command runs, so that help comes at once.
COMMANDS = {
    "recap.init:init": "Lay out a folder for studies.",
    "recap.datasets.shapes.draw:draw_shapes": "Draw the embedded data set in COCO 2014's layout.",
    "recap.downloads:download_file": "Download a file of the catalogue and verify it.",
    "recap.downloads:verify_download": "Verify a downloaded file again.",
    "recap.datasets.registry:prepare_annotations": "Write a split's captions in COCO's format.",
    "recap.datasets.choose_captions:choose_captions": "Choose what of a split a study takes.",
    "recap.datasets.categories:prepare_categories": "Write which objects a split's images show.",
    "recap.datasets.list_images:list_images": "List a split's images in row order.",
    "recap.datasets.list_shards:list_shards": "List the images of each shard of a split.",
    "recap.features.calibrate:calibrate_extraction": "Find what extraction in int8 needs.",
    "recap.features.extract:extract_features": "Compute the features of a split's images.",
    "recap.features.take:take_features": "Take features that others computed.",
    "recap.features.gather:gather_features": "Put the shards of a split's features together.",
    "recap.features.pca:sum_features": "Sum the features of a shard, for PCA.",
    "recap.features.pca:fit_pca": "Find the principal components of the training features.",
    "recap.features.pca:apply_pca": "Reduce a shard's features to their components.",
    "recap.captions.course:take_course_files": "Begin a study with a coco_captioning folder.",
    "recap.captions.vocabulary:build_vocabulary": "Number the most frequent words.",
    "recap.captions.encode:encode_captions": "Write the captions of the splits in numbers.",
    "recap.training.train:train_captioner": "Train a captioner and keep its best epoch.",
    "recap.evaluation.generate:generate_captions": "Caption the images of a split.",
    "recap.evaluation.perplexity:measure_perplexity": "Measure how likely given captions are.",
    "recap.evaluation.explain:explain_captions": "Show which pixels made a captioner say a word.",
    "recap.evaluation.scoring.score:score_captions": "Score captions: BLEU to SPICE.",
    "recap.evaluation.scoring.submission:write_submission": "Pack captions for COCO's server.",
    "recap.vision.train_scene_classifier:train_scene_classifier": (
        "Train a small network on drawn scenes, to look into."
    ),
    "recap.report.start.link_reports:link_reports": "Link reports on a page to start from.",
    "recap.report.vision.compare:compare_vision": "Write the report on what a network sees.",
    "recap.report.captioning.record:record_provenance": "Write down what a study is made from.",
    "recap.report.captioning.compare:compare_captioners": (
        "Write the report that compares captioners."
    ),
    "recap.evaluation.export:export_captioner": "Pack a trained captioner into a small folder.",
    "recap.report.photos.caption:caption": "Caption any photo, also on a page to look at.",
    "recap.vision.saliency:show_saliency": "Show which pixels a class's score depends on.",
    "recap.vision.inversion:invert_features": "Find images that have the maps of photos.",
    "recap.vision.dreams:dream_images": "Give photos more of what a layer sees in them.",
    "recap.vision.classes:visualize_classes": "Show what a network holds to be typical of a class.",
    "recap.vision.style:transfer_style": "Paint a photo in the style of paintings.",
    "recap.datasets.digits.draw:draw_digits": "Draw digits in MNIST's format.",
    "recap.datasets.digits.pack:pack_pictures": "Pack a folder of pictures in MNIST's format.",
    "recap.generative.classifier:train_digit_classifier": "Train the network that judges GANs.",
    "recap.generative.train:train_gan": "Train a generator against a discriminator.",
    "recap.generative.sample:sample_gan": "Draw pictures from a trained generator.",
    "recap.generative.score:score_gan": "Measure a trained GAN against test images.",
    "recap.report.generative.compare:compare_gans": "Write the report that compares GANs.",
    "recap.vision.fooling:fool_network": "Make a network take photos for another class.",
    "recap.captioners.verify:verify": "Check the files of a coco_captioning folder.",
    "recap.cs231n.check:check": "Check a student's own layers.",
    "recap.report.verify_study:verify_study": "Check a study's files against their digests.",
}

# Failures that are no mistake of the program's: no space, no permission.
SYSTEM_ERRORS = {*NO_ROOM, errno.EACCES, errno.EPERM, errno.EROFS}


def make_app() -> "App":
    """Return the command line application, with a command for each entry of `COMMANDS`."""
    from cyclopts import App, Parameter

    app = App(
        name="recap",
        help=recap.__doc__,
        version=recap.__version__,
        default_parameter=Parameter(
            consume_multiple=True, json_list=False, negative="", converter=_convert
        ),
    )
    for path, summary in COMMANDS.items():
        name = path.rpartition(":")[2].replace("_", "-")
        app.command(path, name=name, help=summary)
    return app


def _convert(wanted: Any, tokens: Sequence["Token"]) -> Any:
    """Convert words of the command line as cyclopts does, but round no number to a whole one."""
    from cyclopts import convert

    if wanted == dict[str, Any]:
        # Its numbers stay numbers.
        return json.loads(tokens[0].value)
    if wanted in (int, list[int]):
        for token in tokens:
            if "." in token.value and not float(token.value).is_integer():
                raise ValueError(f"`{token.value}` is no whole number.")
    return convert(wanted, tokens)


def run_command() -> None:
    """Run the command that the command line names."""
    command, given, _ = make_app().parse_args()
    _check_outputs(given)
    command(*given.args, **given.kwargs)


def _check_outputs(given: "BoundArguments") -> None:
    """Refuse an output that cannot be made, or is an input, too: it would be lost unread."""
    from recap.core.files import check_output
    from recap.core.outputs import check_of, check_pictures

    inputs, outputs = set(), []
    for name, value in given.arguments.items():
        listed = value if isinstance(value, list | tuple) else [value]
        paths = [path for path in listed if isinstance(path, Path)]
        check = check_of(given.signature.parameters[name].annotation)
        if check:
            for path in paths:
                check(path)
        if check in (check_output, check_pictures):
            outputs += paths
        else:
            inputs |= set(map(os.path.realpath, paths))
    for path in outputs:
        if os.path.realpath(path) in inputs:
            raise InputError(f"The output {path} is an input, too: name another file.")


def main() -> None:
    """Run the command line; an `InputError` becomes one sentence and exit status 1."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    for stream in streams:
        # A terminal may lack a character of a photo's name.
        stream.reconfigure(errors="backslashreplace")
    try:
        status = _run()
        for stream in streams:
            stream.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError) and error.errno not in SYSTEM_ERRORS:
            raise
        # Python writes at its end what is left in a stream.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            # Who read the output has gone, like `head`: that is no error.
            os.dup2(nowhere, sys.stderr.fileno())
            status = 128 + signal.SIGPIPE
        else:
            print(f"error: standard output: {error.strerror}.", file=sys.stderr)
            status = 1
    sys.exit(status)


def _run() -> int | str | None:
    """Run the command, tell what is wrong, and return the exit status."""
    try:
        run_command()
    except SystemExit as stop:
        return stop.code
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        # Of a command's module cyclopts tells in an error of its own.
        missing = error.__cause__ or error
        name = isinstance(missing, ModuleNotFoundError) and missing.name
        if not name or name.partition(".")[0] == "recap":
            raise
        print(
            f"error: {name} is missing, with which this command works: pip install"
            " '.[train]' in a clone of recap",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        # Without a name it is standard output's: what recap writes, it names.
        if error.errno not in SYSTEM_ERRORS or error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # A second Ctrl-C ends at once what Python still waits for.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    main()
