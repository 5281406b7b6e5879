import itertools
import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from recap.core.errors import InputError
from recap.datasets import coco, flickr8k, karpathy
from recap.datasets.annotations import caption_file, read_annotations
from recap.datasets.registry import DATASETS, find_dataset, prepare_annotations

COCO_SPLIT = {
    "info": {"description": "COCO 2014 Dataset", "year": 2014},
    "licenses": [{"id": 3, "name": "by-nc-nd"}],
    "images": [
        {
            "id": 391895,
            "file_name": "COCO_val2014_000000391895.jpg",
            "width": 640,
            "height": 360,
            "flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg",
        },
        {"id": 7, "file_name": "COCO_val2014_000000000007.jpg"},
    ],
    "annotations": [
        {"image_id": 7, "id": 2, "caption": "Café au lait on a table."},
        {"image_id": 391895, "id": 1, "caption": "A man riding a dirt bike."},
    ],
}

# Two photos to train on, one for each of the other splits, and one that no split lists.
PHOTOS = {
    "train": ["1000268201_693b08cb0e.jpg", "3_c.jpg"],
    "dev": ["2_b.jpg"],
    "val": ["1_a.jpg"],
}
TOKENS = """\
1_a.jpg#0\tA dog runs .
1_a.jpg#1\tThe dog 's ball\t.
1000268201_693b08cb0e.jpg#0\tA child in a pink dress .
2258277193_586949ec62.jpg.1#0\tpeople waiting at bus stop
2258277193_586949ec62.jpg.1#1\ttwo friends
1_a.jpg.1#0\tnot the photo 1_a.jpg
2_b.jpg#0\tUn café .
3_c.jpg#0\tA cat
1000268201_693b08cb0e.jpg#1\t A girl going in .

"""


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def coco_archive(tmp_path):
    text = json.dumps(COCO_SPLIT, ensure_ascii=False)
    members = {
        "annotations/instances_val2014.json": "{}",
        "annotations/captions_val2014.json": text,
        "annotations/captions_train2014.json": json.dumps({**COCO_SPLIT, "images": []}),
    }
    return write_zip(tmp_path / "annotations_trainval2014.zip", members)


def flickr_members():
    lists = {
        flickr8k.SPLIT_LISTS[split]: "\n".join(names) + "\n" for split, names in PHOTOS.items()
    }
    added_by_macos = {
        f"__MACOSX/{name}": "not text" for name in ["Flickr8k.token.txt", *lists, "._readme.txt"]
    }
    return {**added_by_macos, "Flickr8k.token.txt": TOKENS, **lists, "readme.txt": "read me"}


@pytest.fixture
def flickr_archive(tmp_path):
    return write_zip(tmp_path / "Flickr8k_text.zip", flickr_members())


def read(read_split, archive, split):
    """Return the content of the caption file that comes in pieces."""
    return json.loads(b"".join(read_split(archive, split)))


def test_coco_is_passed_on_as_it_is(coco_archive, tmp_path):
    output = tmp_path / "captions_val.json"
    prepare_annotations("coco2014", coco_archive, split="val", output=output)
    assert output.read_text() == json.dumps(COCO_SPLIT, ensure_ascii=False)
    annotations = read_annotations(output)
    assert [image["id"] for image in annotations.images] == [391895, 7]
    assert annotations.captions[0] == (7, "Café au lait on a table.")
    assert annotations.description == "COCO 2014 Dataset"


def test_coco_archive_with_broken_json(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"annotations/captions_val2014.json": '{"images": ['})
    with pytest.raises(InputError, match=r"captions_val20\?\?\.json in .*a\.zip is not valid JSON"):
        read(coco.read_split, archive, "val")


def test_a_caption_file_is_what_json_writes():
    for images in ([], COCO_SPLIT["images"]):
        content = COCO_SPLIT | {"licenses": [], "images": images}
        records = iter(images), iter(content["annotations"])
        assert b"".join(caption_file(content["info"], *records)).decode() == json.dumps(content)


def test_flickr8k_in_coco_format(flickr_archive):
    split = read(flickr8k.read_split, flickr_archive, "train")
    assert [image["file_name"] for image in split["images"]] == PHOTOS["train"]
    girl, cat = (image["id"] for image in split["images"])
    assert [(entry["image_id"], entry["caption"]) for entry in split["annotations"]] == [
        (girl, "A child in a pink dress ."),
        (girl, "A girl going in ."),
        (cat, "A cat"),
    ]
    assert split["images"][0]["flickr_url"].endswith("?id=1000268201")
    assert "train" in split["info"]["description"]


def test_flickr8k_keeps_what_stands_in_a_caption(flickr_archive):
    captions = [
        entry["caption"]
        for split in ("val", "dev")
        for entry in read(flickr8k.read_split, flickr_archive, split)["annotations"]
    ]
    assert captions == ["A dog runs .", "The dog 's ball\t.", "Un café ."]


def test_the_test_split_of_flickr8k_is_what_is_scored(flickr_archive):
    split = read(flickr8k.read_split, flickr_archive, "val")
    assert flickr8k.SPLIT_LISTS["val"] == "Flickr_8k.testImages.txt"
    assert [image["file_name"] for image in split["images"]] == ["1_a.jpg"]
    assert "official test split" in split["info"]["description"]


def test_ids_are_unique_over_the_splits(flickr_archive):
    splits = [read(flickr8k.read_split, flickr_archive, split) for split in PHOTOS]
    for part in ("images", "annotations"):
        ids = [entry["id"] for split in splits for entry in split[part]]
        assert len(ids) == len(set(ids)) == {"images": 4, "annotations": 6}[part]


@pytest.mark.parametrize(
    "line", ["1_a.jpg#0,A dog", "1_a.jpg#0 A dog", "1_a.jpg\tA dog", "1_a.jpg#0\t "]
)
def test_a_line_in_another_form(tmp_path, line):
    tokens = TOKENS.replace("3_c.jpg#0\tA cat", line)
    archive = write_zip(tmp_path / "a.zip", {**flickr_members(), "Flickr8k.token.txt": tokens})
    with pytest.raises(
        InputError, match=r"Line 8 of Flickr8k\.token\.txt in .*a tab, and a caption"
    ):
        read(flickr8k.read_split, archive, "train")


@pytest.mark.parametrize("break_", ["\u2028", "\x85", "\x0c", "\x1e"])
def test_a_caption_ends_with_its_line_alone(tmp_path, break_):
    tokens = TOKENS.replace("A cat", f"A cat{break_}sleeps").replace("\n", "\r\n")
    members = {**flickr_members(), "Flickr8k.token.txt": "\ufeff" + tokens}
    content = read(flickr8k.read_split, write_zip(tmp_path / "a.zip", members), "train")
    assert [entry["caption"] for entry in content["annotations"]] == [
        "A child in a pink dress .",
        "A girl going in .",
        f"A cat{break_}sleeps",
    ]


def test_flickr8k_in_another_encoding(tmp_path):
    members = {**flickr_members(), "Flickr8k.token.txt": TOKENS.encode("utf-16")}
    archive = write_zip(tmp_path / "a.zip", members)
    with pytest.raises(InputError, match=r"Flickr8k\.token\.txt in .* is not text in UTF-8"):
        read(flickr8k.read_split, archive, "train")


def test_a_listed_photo_without_captions(tmp_path):
    members = flickr_members()
    members["Flickr_8k.devImages.txt"] += "9_z.jpg\n"
    archive = write_zip(tmp_path / "Flickr8k_text.zip", members)
    with pytest.raises(InputError, match=r"lists 9_z\.jpg in Flickr_8k\.devImages\.txt"):
        read(flickr8k.read_split, archive, "dev")


@pytest.mark.parametrize("dataset", ["coco2014", "flickr8k"])
@pytest.mark.parametrize("share", [0, 0.5, 0.95])
def test_a_truncated_archive(coco_archive, flickr_archive, tmp_path, dataset, share):
    archive = {"coco2014": coco_archive, "flickr8k": flickr_archive}[dataset]
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    output = tmp_path / "captions.json"
    with pytest.raises(InputError, match=rf"{archive.name} is not a whole zip archive"):
        prepare_annotations(dataset, archive, split="val", output=output)
    assert not output.exists()


@pytest.mark.parametrize("dataset", ["coco2014", "flickr8k"])
def test_an_archive_with_damaged_bytes(coco_archive, flickr_archive, tmp_path, dataset):
    archive = {"coco2014": coco_archive, "flickr8k": flickr_archive}[dataset]
    with zipfile.ZipFile(archive) as file:
        name = {"coco2014": "annotations/captions_val2014.json", "flickr8k": "Flickr8k.token.txt"}
        start = file.getinfo(name[dataset]).header_offset
    data = bytearray(archive.read_bytes())
    data[start + 80 : start + 90] = b"\xff" * 10
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"is not a whole zip archive .*download it again"):
        read(find_dataset(dataset).read_split, archive, "val")


@pytest.mark.parametrize("dataset", ["coco2014", "flickr8k"])
def test_another_archive(tmp_path, dataset):
    archive = write_zip(tmp_path / "photos.zip", {"a.jpg": "photo"})
    with pytest.raises(InputError, match=r"photos\.zip holds no (captions_val20|Flickr)"):
        read(find_dataset(dataset).read_split, archive, "val")


def test_a_missing_archive(tmp_path):
    with pytest.raises(InputError, match=r"none\.zip does not exist"):
        read(coco.read_split, tmp_path / "none.zip", "val")


def test_an_encrypted_archive(coco_archive):
    data = bytearray(coco_archive.read_bytes())
    position = -1
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        while (position := data.find(signature, position + 1)) >= 0:
            data[position + flags] |= 1
    coco_archive.write_bytes(data)
    with pytest.raises(InputError, match=r"zip is encrypted: pack it again without"):
        read(coco.read_split, coco_archive, "val")


def test_a_split_that_the_data_set_does_not_have(coco_archive, tmp_path):
    with pytest.raises(InputError, match="coco2014 has no dev split: it has train, val"):
        prepare_annotations("coco2014", coco_archive, split="dev", output=tmp_path / "dev.json")


@pytest.mark.parametrize(("name", "splits"), DATASETS)
def test_every_archive_that_a_split_needs_can_be_downloaded(name, splits):
    description = find_dataset(name, splits)
    needed = {*itertools.chain(*description.images.values()), description.annotations}
    if description.files:
        assert {file.name for file in description.files} == needed
        assert all(file.md5 or file.sha256 for file in description.files)
    assert {"train", "val"} <= description.images.keys()


def test_coco_is_what_its_authors_serve():
    known = {file.name: (file.size, file.md5) for file in find_dataset("coco2014").files}
    assert known == {
        "train2014.zip": (13_510_573_713, "0da8c0bd3d6becc4dcb32757491aca88"),
        "val2014.zip": (6_645_013_297, "a3d79f5ed8d289b7a7554ce06a5782b3"),
        "annotations_trainval2014.zip": (252_872_794, "0a379cfc70b0e71301e0f377548639bd"),
    }


def test_coco_2017(tmp_path):
    members = {"annotations/captions_val2017.json": json.dumps(COCO_SPLIT)}
    archive = write_zip(tmp_path / "annotations_trainval2017.zip", members)
    prepare_annotations("coco2017", archive, split="val", output=tmp_path / "val.json")
    assert json.loads((tmp_path / "val.json").read_text()) == COCO_SPLIT


# --- Karpathy's splits --------------------------------------------------------------------------

# Split, folder and id of each image, in the order of Karpathy's file.
KARPATHY = [
    ("test", "val2014", 391895),
    ("restval", "val2014", 60623),
    ("train", "train2014", 9),
    ("val", "val2014", 7),
    ("train", "train2014", 5),
    ("restval", "val2014", 60624),
]


def karpathys(dataset):
    """Return the content of Karpathy's file of a data set, two captions an image."""
    images = []
    for number, (split, folder, cocoid) in enumerate(KARPATHY):
        name = f"COCO_{folder}_{cocoid:012}.jpg"
        images.append(
            {
                "imgid": number,
                "split": split,
                "filename": name if dataset == "coco" else f"{number}_{cocoid}.jpg",
                "sentids": [2 * number, 2 * number + 1],
                "sentences": [
                    {
                        "tokens": ["a", "man"],
                        "raw": f"A man, {number} {position}.",
                        "imgid": number,
                        "sentid": 2 * number + position,
                    }
                    for position in range(2)
                ],
            }
            | ({"filepath": folder, "cocoid": cocoid} if dataset == "coco" else {})
        )
    return {"images": images, "dataset": dataset}


@pytest.fixture
def karpathy_archive(tmp_path):
    members = {f"dataset_{name}.json": json.dumps(karpathys(name)) for name in ("coco", "flickr8k")}
    members["__MACOSX/dataset_coco.json"] = "junk"
    return write_zip(tmp_path / "caption_datasets.zip", members)


@pytest.mark.parametrize(
    ("split", "ids"),
    [("train", [60623, 9, 5, 60624]), ("val", [391895]), ("dev", [7])],
)
def test_karpathys_splits_of_coco(karpathy_archive, tmp_path, split, ids):
    """The rest of val2014 is learnt from; his test is scored, and his val chooses."""
    output = tmp_path / "captions.json"
    prepare_annotations("coco2014", karpathy_archive, splits="karpathy", split=split, output=output)
    annotations = read_annotations(output)
    assert [image["id"] for image in annotations.images] == ids
    numbers = [[cocoid for _, _, cocoid in KARPATHY].index(image_id) for image_id in ids]
    assert annotations.captions == [
        (image_id, f"A man, {number} {position}.")
        for image_id, number in zip(ids, numbers, strict=True)
        for position in range(2)
    ]
    if split == "val":
        assert annotations.images[0]["file_name"] == "COCO_val2014_000000391895.jpg"
        url = "http://images.cocodataset.org/val2014/COCO_val2014_000000391895.jpg"
        assert annotations.images[0]["coco_url"] == url
        assert annotations.description == "coco, Karpathy's test split"


def test_karpathys_splits_of_flickr8k(karpathy_archive):
    splits = {split: read(karpathy.read_flickr8k, karpathy_archive, split) for split in PHOTOS}
    assert {split: len(content["images"]) for split, content in splits.items()} == {
        "train": 4,
        "dev": 1,
        "val": 1,
    }
    photo = splits["val"]["images"][0]
    assert photo["file_name"] == "0_391895.jpg"
    assert photo["flickr_url"].endswith("?id=0")
    assert [entry["caption"] for entry in splits["dev"]["annotations"]] == [
        "A man, 3 0.",
        "A man, 3 1.",
    ]


def test_an_archive_that_is_not_karpathys(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"dataset_coco.json": '{"images": [{"split": "val"}]}'})
    with pytest.raises(InputError, match=r"dataset_coco\.json in .*a\.zip is not in the format"):
        read(karpathy.read_coco, archive, "dev")


def test_a_data_set_without_karpathys_splits():
    with pytest.raises(InputError, match="no karpathy splits of shapes: there are of coco2014, fl"):
        find_dataset("shapes", "karpathy")


@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder of real data"
)
def test_the_real_flickr8k():
    folder = Path(os.environ["RECAP_DATA"]) / "flickr8k"
    splits = {
        split: read(flickr8k.read_split, folder / "Flickr8k_text.zip", split) for split in PHOTOS
    }
    sizes = {split: len(content["images"]) for split, content in splits.items()}
    assert sizes == {"train": 6000, "dev": 1000, "val": 1000}
    with zipfile.ZipFile(folder / "Flickr8k_Dataset.zip") as photos:
        names = {Path(name).name for name in photos.namelist()}
    ids = []
    for content in splits.values():
        ids += [image["id"] for image in content["images"]]
        assert {image["file_name"] for image in content["images"]} <= names
        captions = Counter(entry["image_id"] for entry in content["annotations"])
        assert set(captions.values()) == {5}
    assert len(set(ids)) == 8000


def test_the_splits_of_coco_small_part_the_photos_of_val2017(tmp_path):
    images = [{"id": 3 * n, "file_name": f"{3 * n:012}.jpg"} for n in range(50)]
    said = [{"image_id": 3 * n, "id": n, "caption": f"a {n}"} for n in reversed(range(50))]
    text = json.dumps({"images": images, "annotations": said})
    archive = write_zip(tmp_path / "a.zip", {"annotations/captions_val2017.json": text})
    found = {}
    for split in find_dataset("coco_small").images:
        prepare_annotations("coco_small", archive, split=split, output=tmp_path / "split.json")
        found[split] = read_annotations(tmp_path / "split.json")
    sizes = {split: len(part.images) for split, part in found.items()}
    assert sizes == {"train": 40, "val": 5, "dev": 5}
    together = [image for part in found.values() for image in part.images]
    assert sorted(together, key=lambda image: image["id"]) == images
    for part in found.values():
        ids = [image["id"] for image in part.images]
        assert ids == sorted(ids)
        assert [image_id for image_id, _ in part.captions] == ids[::-1]
    assert [image["id"] for image in found["train"].images] != list(range(0, 120, 3))
    write_zip(tmp_path / "b.zip", {"annotations/captions_val2017.json": '{"images": [1]}'})
    with pytest.raises(InputError, match="captions_val2017.json in .* is not one of COCO's"):
        prepare_annotations(
            "coco_small", tmp_path / "b.zip", split="train", output=tmp_path / "split.json"
        )
