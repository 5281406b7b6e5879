import io
import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from places import SCENES

from recap.core.images import ImageStore
from recap.cs231n import places
from recap.cs231n.coco_utils import load_coco_data
from recap.cs231n.image_utils import SQUEEZENET_MEAN, SQUEEZENET_STD, image_from_url


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Stand in a folder from which no study is seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places.recap, "__file__", str(tmp_path / "far/src/recap/__init__.py"))
    monkeypatch.setattr(places, "_loaded", [])
    return tmp_path


@pytest.fixture
def address():
    """Serve a small picture, and return its address."""
    file = io.BytesIO()
    Image.new("L", (5, 4), 200).save(file, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/gray.png"
            self.send_response(200 if found else 410)
            self.end_headers()
            self.wfile.write(file.getvalue() if found else b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def picture(folder, name):
    with ImageStore(folder / SCENES / f"{name.partition('/')[0]}.zip") as store:
        return np.asarray(store.read(name))


@pytest.mark.parametrize("split", ["train", "val"])
def test_scenes_are_read_from_the_study_that_was_loaded(split, shapes_study, elsewhere):
    data = load_coco_data(shapes_study / "results/shapes/coco_captioning")
    image = image_from_url(data[f"{split}_urls"][3])
    lines = (shapes_study / f"results/shapes/coco_captioning/{split}2014_images.txt").read_text()
    wanted = picture(shapes_study, lines.splitlines()[3].removeprefix("coco/images/"))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, wanted)
    image[:] = 0  # it is the notebook's own


def test_of_several_drawings_it_is_the_studys_own(shapes_study, elsewhere):
    url = "https://example.invalid/shapes/val2014/COCO_val2014_000000000061.jpg"
    own, other = elsewhere / "resources/shapes/own", elsewhere / "resources/shapes/other"
    study = elsewhere / "results/any/coco_captioning"
    shutil.copytree(shapes_study / "results/shapes/coco_captioning", study)
    for folder, source in ((own, "val2014"), (other, "train2014")):
        folder.mkdir(parents=True)
        shutil.copy(shapes_study / SCENES / f"{source}.zip", folder / "val2014.zip")
    os.utime(own / "val2014.zip", (1, 1))
    load_coco_data(study)
    assert image_from_url(url) is None  # the newest archive has no such scene
    record = {"images": "../../resources/shapes/own/val2014.zip"}
    (study.parent / "provenance.json").write_text(json.dumps(record))
    wanted = picture(shapes_study, "val2014/COCO_val2014_000000000061.jpg")
    np.testing.assert_array_equal(image_from_url(url), wanted)


def test_a_picture_that_there_is_not_is_told(elsewhere, address, capsys):
    def told(url):
        assert image_from_url(url) is None
        return capsys.readouterr().out

    scene = "https://example.invalid/shapes/train2014/COCO_train2014_000000000001.jpg"
    assert told(scene).startswith("URL Error:  There is no resources/shapes/*/train2014.zip: run")
    assert told(f"{address}/gone.jpg") == f"HTTP Error:  410 {address}/gone.jpg\n"
    assert "refused" in told("http://127.0.0.1:9/x.jpg")
    assert told("").startswith("URL Error:  unknown url type")


def test_other_addresses_are_fetched(address):
    image = image_from_url(np.str_(f"{address}/gray.png"))
    np.testing.assert_array_equal(image, np.full((4, 5, 3), 200, np.uint8))


def test_the_numbers_of_squeezenet():
    np.testing.assert_array_equal(SQUEEZENET_MEAN, np.float32([0.485, 0.456, 0.406]))
    np.testing.assert_array_equal(SQUEEZENET_STD, np.float32([0.229, 0.224, 0.225]))
    assert SQUEEZENET_MEAN.dtype == SQUEEZENET_STD.dtype == np.float32
