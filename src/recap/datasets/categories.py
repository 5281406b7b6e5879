"""What is in the images, for the data sets that tell."""

from collections.abc import Callable
from pathlib import Path

from recap.core.errors import InputError
from recap.core.json_files import read_json, write_json
from recap.core.outputs import OutputFile
from recap.datasets.archive import iterate_member


def prepare_categories(dataset: str, archive: Path, *, split: str, output: OutputFile) -> None:
    """Write which objects the images of a split show, in the format of COCO's instances.

    Only the names of the objects and the images that show them are written, without outlines.

    Parameters
    ----------
    dataset : str
        A data set that tells: `shapes`, `coco2014` or `coco2017`.
    archive : Path
        The data set's archive of annotations.
    split : str
        `train` or `val`.
    output : Path
        JSON file to write.

    Raises
    ------
    InputError
        If the data set does not tell, or the archive is damaged or another data set's.
    """
    if dataset not in READERS:
        raise InputError(
            f"{dataset} does not tell what is in its images: only {', '.join(READERS)} do."
        )
    write_json(output, READERS[dataset](archive, split))


def _read_coco(archive: Path, split: str) -> dict:
    name = f"instances_{split}20??.json"
    try:
        categories = [
            {"id": kind["id"], "name": kind["name"]}
            for kind in iterate_member(archive, name, "categories")
        ]
        shown = {
            (entry["image_id"], entry["category_id"])
            for entry in iterate_member(archive, name, "annotations")
        }
        if not categories or not shown:
            raise KeyError("annotations" if categories else "categories")
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{name} in {archive} is not one of COCO's ({error!r}): download the archive again."
        ) from None
    return _in_cocos_format(categories, shown)


def _read_shapes(archive: Path, split: str) -> dict:
    # What draws is not needed to know which data sets tell.
    from recap.datasets.shapes.draw import read_scenes
    from recap.datasets.shapes.scenes import SHAPES

    numbers = {shape: number for number, shape in enumerate(SHAPES, 1)}
    shown = {
        (image_id, numbers[thing.shape])
        for image_id, scene in read_scenes(archive, split).items()
        for thing in scene.objects
    }
    categories = [{"id": number, "name": shape} for shape, number in numbers.items()]
    return _in_cocos_format(categories, shown)


def _in_cocos_format(categories: list[dict], shown: set[tuple[int, int]]) -> dict:
    return {
        "categories": categories,
        "annotations": [
            {"image_id": image_id, "category_id": category} for image_id, category in sorted(shown)
        ],
    }


READERS: dict[str, Callable[[Path, str], dict]] = {
    "shapes": _read_shapes,
    "coco2014": _read_coco,
    "coco2017": _read_coco,
}
"""How to read the objects, by data set."""


def read_categories(path: Path) -> dict[str, set[int]]:
    """Read the kinds of objects in images, in the format of COCO's instances.

    Format: https://cocodataset.org/#format-data

    Parameters
    ----------
    path : Path
        JSON file with `categories` and `annotations`, such as `instances_val2014.json`.

    Returns
    -------
    dict of str to set of int
        Ids of the images that show each kind.

    Raises
    ------
    InputError
        If the file is missing or in another format.
    """
    content = read_json(path)
    try:
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        images: dict[str, set[int]] = {name: set() for name in names.values()}
        for entry in content["annotations"]:
            images[names[entry["category_id"]]].add(entry["image_id"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not in the format of COCO's instances ({error!r}): it needs `categories`"
            " with `id` and `name`, and `annotations` with `image_id` and `category_id`."
        ) from None
    return images
