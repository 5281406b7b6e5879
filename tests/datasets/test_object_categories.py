import json
import zipfile

import pytest
from places import SCENES

from recap.core.errors import InputError
from recap.datasets.categories import prepare_categories
from recap.datasets.shapes.draw import read_scenes


def read_back(path):
    content = json.loads(path.read_text())
    names = {kind["id"]: kind["name"] for kind in content["categories"]}
    return {(entry["image_id"], names[entry["category_id"]]) for entry in content["annotations"]}


def test_scenes_show_what_was_drawn(shapes_study, tmp_path):
    archive = shapes_study / SCENES / "annotations_trainval2014.zip"
    prepare_categories("shapes", archive, split="val", output=tmp_path / "categories.json")
    assert read_back(tmp_path / "categories.json") == {
        (image_id, thing.shape)
        for image_id, scene in read_scenes(archive, "val").items()
        for thing in scene.objects
    }


def write_instances(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("annotations/instances_val2014.json", json.dumps(content))


def test_cocos_instances_are_told_once_an_image(tmp_path):
    write_instances(
        tmp_path / "coco.zip",
        {
            "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
            "annotations": [
                {"id": 1, "image_id": 7, "category_id": 18, "segmentation": [[1, 2]]},
                {"id": 2, "image_id": 7, "category_id": 18, "segmentation": [[3, 4]]},
                {"id": 3, "image_id": 5, "category_id": 18, "segmentation": [[5, 6]]},
            ],
        },
    )
    output = tmp_path / "categories.json"
    prepare_categories("coco2014", tmp_path / "coco.zip", split="val", output=output)
    assert read_back(output) == {(5, "dog"), (7, "dog")}
    assert json.loads(output.read_text())["annotations"] == [
        {"image_id": 5, "category_id": 18},
        {"image_id": 7, "category_id": 18},
    ]


def test_what_cannot_be_told_is_said(tmp_path):
    write_instances(tmp_path / "coco.zip", {"categories": []})
    output = tmp_path / "categories.json"
    with pytest.raises(InputError, match="flickr8k does not tell what is in its images"):
        prepare_categories("flickr8k", tmp_path / "coco.zip", split="val", output=output)
    with pytest.raises(InputError, match=r"instances_val20\?\?\.json in .* is not one of COCO's"):
        prepare_categories("coco2014", tmp_path / "coco.zip", split="val", output=output)
    assert not output.exists()
