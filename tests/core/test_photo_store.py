"""Which photo a name of the annotations means, and when it is another than before."""

import json
import os
import zipfile

import pytest

from recap.core import photo_store as module
from recap.core.errors import InputError
from recap.core.photo_store import BrokenImageError, PhotoStore, read_photo
from recap.datasets.describe_photos import describe_photos

CAFE, DECOMPOSED = "caf\u00e9.jpg", "cafe\u0301.jpg"


def write_folder(folder, *names):
    """Write files that hold their own names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def write_zip(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path


@pytest.fixture(params=["folder", "archive"])
def store(request, tmp_path):
    """Return a function that makes a store of files of these names."""

    def make(*names):
        if request.param == "folder":
            return PhotoStore(write_folder(tmp_path / "photos", *names))
        return PhotoStore(write_zip(tmp_path / "photos.zip", *names))

    return make


@pytest.mark.parametrize(
    ("names", "listed", "found"),
    [
        (["a.jpg"], "images/a.jpg", "a.jpg"),
        (["train/a.jpg"], "a.jpg", "train/a.jpg"),
        (["photos/train/1.jpg", "photos/val/1.jpg"], "val/1.jpg", "photos/val/1.jpg"),
        (["1.jpg", "val/1.jpg"], "val/1.jpg", "val/1.jpg"),
        (["1.jpg", "val/1.jpg"], "deep/val/1.jpg", "val/1.jpg"),
        (["1.jpg", "val/1.jpg"], "1.jpg", "1.jpg"),
        (["1.jpg", "val/1.jpg"], "train/1.jpg", "1.jpg"),
        (["train/a.jpg"], "train\\a.jpg", "train/a.jpg"),
        (["train/a.jpg"], "..\\train\\a.jpg", "train/a.jpg"),
        (["train/a.jpg"], "C:\\data\\train\\a.jpg", "train/a.jpg"),
        (["train/a.jpg"], "./val/../train//a.jpg", "train/a.jpg"),
        (["train/a.jpg"], "/data/train/a.jpg", "train/a.jpg"),
        ([CAFE], DECOMPOSED, CAFE),
        ([DECOMPOSED], CAFE, DECOMPOSED),
        (["a.JPG"], "a.jpg", "a.JPG"),
        (["Train/a.jpg"], "train/A.JPG", "Train/a.jpg"),
        (["val/a.jpg", "Train/a.jpg"], "data/train/a.jpg", "Train/a.jpg"),
        (["a.JPG", "a.jpg"], "a.jpg", "a.jpg"),
        (["x/a.JPG", "y/a.jpg"], "a.JPG", "x/a.JPG"),
        (["STRASSE.jpg"], "stra\u00dfe.jpg", "STRASSE.jpg"),
    ],
)
def test_which_photo_is_meant(store, names, listed, found):
    with store(*names, "other.jpg") as photos:
        assert photos.read_bytes(listed).decode() == found


@pytest.mark.parametrize(
    ("names", "listed", "told"),
    [
        (
            ["train/0001.jpg"],
            "val/0001.jpg",
            r"val/0001\.jpg is not in .*, which has train/0001\.jpg in another folder: check",
        ),
        (["xa.jpg"], "a.jpg", r"a\.jpg is not in "),
        (["xtrain/a.jpg"], "train/a.jpg", "which has xtrain/a.jpg in another folder"),
        (["x/a.jpg", "y/a.jpg"], "a.jpg", r"stands 2 times in .* \(x/a\.jpg, y/a\.jpg\): name its"),
        (["x/a.JPG", "x/a.Jpg"], "a.jpg", "stands 2 times"),
        (["train/b.jpg"], "train", "train is not in"),
        (["a.jpg"], "", "is not in"),
        (["a.jpg"], "..", "is not in"),
    ],
)
def test_no_photo_is_guessed(store, names, listed, told):
    with store(*names) as photos, pytest.raises(BrokenImageError, match=told):
        photos.read_bytes(listed)


def test_backslashes_in_zip_entries(tmp_path):
    with PhotoStore(write_zip(tmp_path / "photos.zip", "photos\\a.jpg", "photos\\b.jpg")) as photos:
        assert photos.read_bytes("photos/a.jpg") == b"photos\\a.jpg"
        assert photos.read_bytes("b.jpg") == b"photos\\b.jpg"


@pytest.mark.parametrize(
    "page", ["utf-8", "cp437", "cp850", "cp1252", "cp932", "gb18030", "cp1251"]
)
def test_zip_entries_in_another_code_page(tmp_path, page):
    """Python marks such names as UTF-8; other programs write the bytes of their code page."""
    names = {
        "cp932": "\u732b.jpg",
        "gb18030": "\u7167\u7247.jpg",
        "cp1251": "\u043a\u043e\u0442.jpg",
    }
    name = names.get(page, CAFE)
    raw = name.encode(page)
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x" * len(raw), b"photo")
    archive.write_bytes(archive.read_bytes().replace(b"x" * len(raw), raw))
    with PhotoStore(archive) as photos:
        assert photos.read_bytes(name) == b"photo"
        with pytest.raises(BrokenImageError, match="is not in"):
            photos.read_bytes("cafe.jpg")


def test_files_whose_names_are_in_another_code_page(tmp_path):
    with open(os.fsencode(tmp_path / "x").replace(b"/x", b"/caf\xe9.jpg"), "wb") as file:
        file.write(b"photo")
    with PhotoStore(tmp_path) as photos:
        assert photos.read_bytes(CAFE) == b"photo"


def test_linked_folders_and_files(tmp_path):
    write_folder(tmp_path / "elsewhere", "a.jpg", "deep/b.jpg")
    photos = write_folder(tmp_path / "photos", "c.jpg")
    (photos / "train").symlink_to(tmp_path / "elsewhere")
    (photos / "val").symlink_to(tmp_path / "elsewhere")
    (photos / "again").symlink_to(photos)
    (photos / "d.jpg").symlink_to(tmp_path / "elsewhere/a.jpg")
    (photos / "nowhere.jpg").symlink_to(tmp_path / "none")
    with PhotoStore(photos) as store:
        for listed in ("train/a.jpg", "val/a.jpg", "d.jpg"):
            assert store.read_bytes(listed) == b"a.jpg"
        # Two ways lead to one file, which is no doubt.
        assert store.read_bytes("b.jpg") == b"deep/b.jpg"
        assert store.read_bytes("c.jpg") == b"c.jpg"
        with pytest.raises(BrokenImageError, match=r"nowhere\.jpg cannot be read \(No such file"):
            store.read_bytes("nowhere.jpg")


def test_a_folder_without_permission_is_told(tmp_path, monkeypatch):
    photos = write_folder(tmp_path / "photos", "a.jpg", "locked/b.jpg")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(module.os, "scandir", refuse)
    with PhotoStore(photos) as store:
        assert store.read_bytes("a.jpg") == b"a.jpg"
        with pytest.raises(
            BrokenImageError, match=r"where .*/locked cannot be read \(Permission denied\): check"
        ):
            store.read_bytes("b.jpg")


def test_an_entry_without_a_name(tmp_path):
    nameless = zipfile.ZipInfo("x")
    nameless.filename = ""
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr(nameless, b"")
        archive.writestr("a.jpg", b"photo")
        archive.mkdir("b.jpg")
    with PhotoStore(tmp_path / "photos.zip") as store:
        assert store.read_bytes("a.jpg") == b"photo"
        for listed in ("", "b.jpg"):
            with pytest.raises(BrokenImageError, match="is not in"):
                store.read_bytes(listed)


def test_an_archive_of_another_version(tmp_path):
    archive = write_zip(tmp_path / "photos.zip", "a.jpg")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\x63"))
    with pytest.raises(InputError, match="is not a whole zip archive"):
        PhotoStore(archive)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "missing"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "photo.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = type(path)("/dev/zero")
    told = "cannot be read" if kind == "missing" else "is not a file: name a picture file"
    with pytest.raises(BrokenImageError, match=told):
        read_photo(path)
    if kind == "pipe":
        with PhotoStore(tmp_path) as store, pytest.raises(BrokenImageError, match="is not a file"):
            store.read_bytes("photo.jpg")


# --- what tells a photo from another ------------------------------------------------------------


@pytest.fixture
def listed(tmp_path):
    """Return a folder of photos, one of them in a folder below, and what lists three of them."""
    folder = write_folder(tmp_path / "photos", "1.jpg", "below/2.jpg", "unlisted.jpg")
    for path in folder.rglob("*"):
        os.utime(path, (10**9, 10**9))
    names = ["1.jpg", "missing.jpg", "2.jpg"]
    records = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    (tmp_path / "captions.json").write_text(json.dumps({"images": records, "annotations": []}))
    return folder, tmp_path / "captions.json"


def replace(path, text, time=10**9):
    path.write_text(text)
    os.utime(path, (time, time))


CHANGES = {
    "another size": lambda folder: replace(folder / "1.jpg", "larger"),
    "another time": lambda folder: replace(folder / "below/2.jpg", "below/3.jpg", 2 * 10**9),
    "added in a folder below": lambda folder: (folder / "below/missing.jpg").write_text("x"),
    "removed": lambda folder: (folder / "1.jpg").unlink(),
    "moved": lambda folder: (folder / "1.jpg").rename(folder / "below/1.jpg"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_listed_photo_that_changes_changes_the_description(listed, change):
    folder, annotations = listed
    before = describe_photos([folder], annotations)
    assert before
    assert describe_photos([folder], annotations) == before
    CHANGES[change](folder)
    assert describe_photos([folder], annotations) != before


def test_what_is_not_listed_changes_no_description(listed, tmp_path):
    folder, annotations = listed
    before = describe_photos([folder], annotations)
    (folder / "unlisted.jpg").write_text("other")
    (folder / "below/more.jpg").write_text("x")
    folder.rename(tmp_path / "elsewhere")
    assert describe_photos([tmp_path / "elsewhere"], annotations) == before


def test_archives_need_no_description_and_errors_are_left_to_the_job(listed, tmp_path):
    folder, annotations = listed
    archive = write_zip(tmp_path / "photos.zip", "1.jpg")
    assert describe_photos([archive], tmp_path / "none.json") == ""
    assert describe_photos([tmp_path / "none"], annotations) == ""
    assert describe_photos([folder], tmp_path / "none.json") == ""


def test_photos_of_an_archive_have_the_state_of_the_archive(tmp_path):
    archive = write_zip(tmp_path / "photos.zip", "1.jpg", "2.jpg")
    with PhotoStore(archive) as store:
        one, two, none = store.states(["1.jpg", "2.jpg", "3.jpg"])
    assert one != two
    assert not any(none)
    os.utime(archive, (10**9, 10**9))
    with PhotoStore(archive) as store:
        later = store.states(["1.jpg", "2.jpg"])
    assert one != later[0] and two != later[1]
