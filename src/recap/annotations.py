"""COCO caption annotations: the format in which every data set describes its images."""

from dataclasses import dataclass
from pathlib import Path

from recap.errors import InputError
from recap.files import read_json


@dataclass(frozen=True)
class Annotations:
    """One split of a data set.

    Attributes
    ----------
    images : list of dict
        COCO image records in file order, which is the row order of the feature files. Each
        has at least `id` and `file_name`.
    captions : list of tuple of (int, str)
        `(image id, caption)` in file order.
    description : str
        The data set in a few words, from `info`.
    """

    images: list[dict]
    captions: list[tuple[int, str]]
    description: str

    def captions_by_image(self) -> dict[int, list[str]]:
        """Return the reference captions of each image, in file order, by image id."""
        references: dict[int, list[str]] = {image["id"]: [] for image in self.images}
        for image_id, caption in self.captions:
            references[image_id].append(caption)
        return references


def read_annotations(path: Path) -> Annotations:
    """Read a COCO caption annotation file (`captions_train2014.json` and its like).

    Format: https://cocodataset.org/#format-data

    Parameters
    ----------
    path : Path
        JSON file with `images` and `annotations`.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, lacks what COCO's format asks for, names an image
        twice, or holds a caption of an image that it does not list.
    """
    content = read_json(path)
    try:
        images = [{**image, "file_name": str(image["file_name"])} for image in content["images"]]
        ids = [image["id"] for image in images]
        captions = [(entry["image_id"], str(entry["caption"])) for entry in content["annotations"]]
        description = str(content.get("info", {}).get("description", ""))
        known = set(ids)
        lost = next((caption for caption in captions if caption[0] not in known), None)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not in COCO's caption format ({error!r}): it needs `images` with `id` and"
            " `file_name`, and `annotations` with `image_id` and `caption`."
        ) from None
    if len(known) < len(ids):
        raise InputError(f"{path} lists an image id twice: give every image an id of its own.")
    if lost:
        raise InputError(
            f"{path} has a caption of image {lost[0]}, which `images` does not list ({lost[1]!r}):"
            " add the image or drop the caption."
        )
    return Annotations(images, captions, description)
