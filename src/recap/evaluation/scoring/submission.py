"""Pack captions for COCO's evaluation server."""

import json
import re
import zipfile
from pathlib import Path

from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.json_files import read_json
from recap.core.outputs import OutputFile
from recap.evaluation.scoring.results import name_images, read_results

IMAGES = {"val2014": 40_504, "test2014": 40_775}  # of which the server wants a caption each
EPOCH = (1980, 1, 1, 0, 0, 0)  # so that equal captions make equal archives


def write_submission(
    results: Path,
    images: Path,
    *,
    algorithm: str,
    output: OutputFile,
    test_results: Path | None = None,
    test_images: Path | None = None,
) -> None:
    """Pack captions for COCO's evaluation server, which has the test split's references.

    The archive holds `captions_val2014_<algorithm>_results.json` and, if they are given, the test
    split's captions by the like name, in no folder (https://cocodataset.org/#captions-eval).

    Parameters
    ----------
    results : Path
        Captions of the val split in COCO's results format.
    images : Path
        COCO's annotations of the val split.
    algorithm : str
        Name for the server: letters, digits and hyphens.
    output : Path
        Zip archive to write.
    test_results : Path, optional
        Captions of the test split.
    test_images : Path, optional
        COCO's list of the test split's images, `image_info_test2014.json`.

    Raises
    ------
    InputError
        If the name has other characters, a file is missing or in another format, or the results do
        not have one caption of each image.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", algorithm):
        raise InputError(
            f"The algorithm's name {algorithm!r} will not do in the name of a submission: use"
            " letters and digits, with single hyphens between them."
        )
    if (test_results is None) != (test_images is None):
        raise InputError(
            "Captions of the test split go with the list of its images: give both --test-results"
            " and --test-images, or neither."
        )
    members = {"val2014": _submitted(results, images)}
    if test_results is not None and test_images is not None:
        members["test2014"] = _submitted(test_results, test_images)
    with (
        atomic_path(output, record_digest=True) as scratch,
        zipfile.ZipFile(scratch, "w") as archive,
    ):
        for split, entries in members.items():
            name = f"captions_{split}_{algorithm}_results.json"
            archive.writestr(
                zipfile.ZipInfo(name, EPOCH), json.dumps(entries), zipfile.ZIP_DEFLATED
            )
            print(f"{output}: {name} with {len(entries)} captions")
    for split, count in IMAGES.items():
        held = len(members.get(split, []))
        if held != count:
            print(f"The server wants captions of {count:,} images of {split}; these are {held:,}.")


def _submitted(results: Path, images: Path) -> list[dict]:
    """Return the entries of a results file that has a caption of each image and no other."""
    captions = read_results(results)
    try:
        wanted = {image["id"] for image in read_json(images)["images"]}
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{images} is not in COCO's format ({error!r}): it needs `images` with `id`."
        ) from None
    if unknown := [image for image in captions if image not in wanted]:
        raise InputError(
            f"{results} has captions of {name_images(unknown)}, which {images} does not list: use"
            " the file of the captioned images."
        )
    if left := sorted(wanted - captions.keys()):
        raise InputError(
            f"{results} has no caption of {name_images(left)} of {images}: the server refuses what"
            " is not whole; caption all images."
        )
    return [{"image_id": image, "caption": caption} for image, caption in captions.items()]
