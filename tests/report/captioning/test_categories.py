import json

import pytest

from recap.core.errors import InputError
from recap.datasets.categories import read_categories


def test_images_by_what_they_show(fake):
    categories = read_categories(fake.categories)
    assert {name: len(images) for name, images in categories.items()} == {
        "disc": 12,
        "<ring>": 10,
        "dot": 1,
    }
    assert categories["dot"] == {100}


@pytest.mark.parametrize(
    "content", [[], {"categories": []}, {"categories": [], "annotations": [1]}]
)
def test_another_format_is_told(tmp_path, content):
    path = tmp_path / "categories.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"categories\.json is not in the format of COCO's"):
        read_categories(path)
