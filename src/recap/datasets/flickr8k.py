"""Flickr8k (Hodosh, Young and Hockenmaier, 2013) in COCO's format."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from recap.core.errors import InputError
from recap.core.remote_file import RemoteFile
from recap.datasets.annotations import caption_file
from recap.datasets.archive import read_member

RELEASE = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
# Archives of the same photos, scaled down, are in use too.
IMAGES = RemoteFile(
    f"{RELEASE}/Flickr8k_Dataset.zip", md5="f18a1e2920de5bd84dae7cf08ec78978", has_variants=True
)
TEXT = RemoteFile(
    f"{RELEASE}/Flickr8k_text.zip", md5="bf6c1abcb8e4a833b7f922104de18627", has_variants=True
)

CAPTIONS = "Flickr8k.token.txt"
SPLIT_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "val": "Flickr_8k.testImages.txt",
}


def flickr_url(name: str) -> str:
    """Return the address of a photo's page, which its file name tells.

    Parameters
    ----------
    name : str
        File name, such as `1000268201_693b08cb0e.jpg`.
    """
    return f"https://www.flickr.com/photo.gne?id={name.split('_')[0]}"


def read_split(archive: Path, split: str) -> Iterator[bytes]:
    """Yield one official split of Flickr8k in COCO's caption format.

    Image ids count the photos in the order of the caption file, so that they are unique over
    the splits.

    Parameters
    ----------
    archive : Path
        `Flickr8k_text.zip`.
    split : {"train", "dev", "val"}
        `val` is the official test split, the one that is scored.

    Yields
    ------
    bytes
        Pieces of a COCO caption file.

    Raises
    ------
    InputError
        If the archive is damaged, has a line in another form, or lists a photo without captions.
    """
    captions = defaultdict(list)
    # Not splitlines, which parts a caption at U+2028 and others of the kind, too.
    for number, line in enumerate(read_member(archive, CAPTIONS).split("\n"), start=1):
        if line.strip():
            name, tab, caption = line.partition("\t")
            photo, hash_sign, _ = name.partition("#")
            if not (tab and hash_sign and caption.strip()):
                raise InputError(
                    f"Line {number} of {CAPTIONS} in {archive} is not a photo's name with # and a"
                    f" number, a tab, and a caption ({line[:60]!r}): download the archive again."
                )
            captions[photo].append(caption.strip())
    ids = {name: number for number, name in enumerate(captions, start=1)}
    images, annotations = [], []
    for name in read_member(archive, SPLIT_LISTS[split]).split():
        if name not in captions:
            raise InputError(
                f"{archive} lists {name} in {SPLIT_LISTS[split]} but has no caption of it:"
                " download the archive again."
            )
        images.append(
            {
                "id": ids[name],
                "file_name": name,
                "flickr_url": flickr_url(name),
            }
        )
        for position, caption in enumerate(captions[name], start=1):
            annotations.append(
                {"id": 10 * ids[name] + position, "image_id": ids[name], "caption": caption}
            )
    info = {
        "description": f"Flickr8k, official {'test' if split == 'val' else split} split",
        "url": RELEASE,
    }
    yield from caption_file(info, images, annotations)
