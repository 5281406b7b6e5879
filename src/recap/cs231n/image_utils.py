"""Pictures by their address, and the numbers with which SqueezeNet's pictures are scaled."""

import urllib.error
import urllib.request

import numpy as np
from PIL import Image

from recap.backbones.preprocessing import Preprocessing
from recap.core.errors import InputError
from recap.core.images import ImageStore, decode_image
from recap.cs231n.places import find_scenes
from recap.datasets.shapes.draw import BASE_URL

SQUEEZENET_MEAN = np.array(Preprocessing.mean, dtype=np.float32)
SQUEEZENET_STD = np.array(Preprocessing.std, dtype=np.float32)

TIMEOUT = 30  # seconds


def image_from_url(url: str) -> np.ndarray | None:
    """Return the picture that an address names: of a scene that recap drew, or from the network.

    Parameters
    ----------
    url : str
        One of `load_coco_data`'s addresses, or any other.

    Returns
    -------
    array of shape (height, width, 3), uint8, or None
        RGB; None if there is no such picture, and the reason is printed.
    """
    url = str(url)
    try:
        return np.array(_scene(url) if url.startswith(f"{BASE_URL}/") else _fetch(url))
    except urllib.error.HTTPError as error:
        print("HTTP Error: ", error.code, url)
    except (OSError, ValueError, InputError) as error:
        print("URL Error: ", getattr(error, "reason", error), url)
    return None


def _scene(url: str) -> Image.Image:
    split, name = url.split("/")[-2:]
    with ImageStore(find_scenes(f"{split}.zip")) as store:
        return store.read(f"{split}/{name}")


def _fetch(url: str) -> Image.Image:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        return decode_image(answer.read(), url)
