"""Which images show which kind of object."""

from pathlib import Path

from recap.core.errors import InputError
from recap.core.json_files import read_json


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
