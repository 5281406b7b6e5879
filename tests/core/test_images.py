import contextlib
import io
import struct
import sys
import tracemalloc
import zipfile
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, PngImagePlugin

from recap.core import photo_store
from recap.core.errors import InputError
from recap.core.images import ImageStore, decode_image
from recap.core.photo_store import BrokenImageError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image, form="png", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def picture(size=(60, 40), colour=RED):
    return Image.new("RGB", size, colour)


def decoded(data):
    image = decode_image(data, "photo")
    assert image.mode == "RGB"
    return np.asarray(image)


def write_zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def black_png(width, height, rows):
    """Write a PNG of one bit a pixel that holds the first rows alone."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width // 8 + 1) * rows))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


# --- decoding -----------------------------------------------------------------------------------


def test_gray_is_spread_over_the_channels():
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    assert (decoded(encoded(Image.fromarray(gray))) == gray[..., None]).all()


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_sixteen_bits_are_scaled_and_not_clipped(form):
    gray = np.array([[0, 255, 256], [32768, 40000, 65535]], dtype=np.uint16)
    pixels = decoded(encoded(Image.fromarray(gray), form))
    assert (pixels == (gray >> 8)[..., None]).all()


def test_one_bit():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert decoded(encoded(image)).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_palette():
    image = picture().quantize(4)
    assert image.mode == "P"
    assert (decoded(encoded(image)) == RED).all()


@pytest.mark.parametrize("form", ["png", "gif"])
def test_transparent_entry_of_a_palette_becomes_white(form):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    pixels = decoded(encoded(image, form, transparency=1))
    assert pixels.tolist() == [[list(RED), list(WHITE)]]


def test_transparency_is_laid_on_white():
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[..., :3] = BLUE
    pixels[0, :, 3] = 255, 0, 51
    opaque, clear, faint = decoded(encoded(Image.fromarray(pixels)))[0].tolist()
    assert opaque == list(BLUE)
    assert clear == list(WHITE)
    # 51 of 255 is a fifth of blue on four fifths of white.
    assert faint == [204, 204, 255]


def test_gray_with_alpha():
    pixels = np.array([[[0, 255], [0, 0]]], dtype=np.uint8)
    assert decoded(encoded(Image.fromarray(pixels, "LA"))).tolist() == [[[0, 0, 0], [255] * 3]]


def test_colour_key_of_an_rgb_png():
    data = encoded(picture((1, 1)), transparency=RED)
    assert decoded(data).tolist() == [[list(WHITE)]]


@pytest.mark.parametrize("form", ["jpeg", "tiff"])
def test_cmyk(form):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # all magenta and yellow: red
    data = encoded(image, form)
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    assert np.abs(decoded(data).astype(int) - RED).max() <= 3


@pytest.mark.parametrize("error", [RuntimeError, struct.error, KeyError, OverflowError])
def test_whatever_a_decoder_raises_is_a_broken_image(monkeypatch, error):
    def fail(*_, **options):
        raise error("Decoding of color planes failed")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(BrokenImageError, match="photo .*color planes"):
        decode_image(b"", "photo")


# Where the corner of red lies after each of EXIF's orientations, as (row, column) of the corner
# in what is shown, when it is stored at the top left of a picture 60 wide and 40 high.
CORNERS = {
    1: (0, 0),
    2: (0, -1),
    3: (-1, -1),
    4: (-1, 0),
    5: (0, 0),
    6: (0, -1),
    7: (-1, -1),
    8: (-1, 0),
}


@pytest.mark.parametrize(("orientation", "corner"), CORNERS.items())
def test_exif_orientation(orientation, corner):
    image = picture((60, 40), BLUE)
    image.paste(RED, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decoded(encoded(image, "png", exif=exif))
    assert pixels.shape == ((40, 60, 3) if orientation < 5 else (60, 40, 3))
    assert tuple(pixels[corner]) == RED
    others = {(0, 0), (0, -1), (-1, 0), (-1, -1)} - {corner}
    assert all(tuple(pixels[other]) == BLUE for other in others)
    # The patch is 16 long along the stored rows.
    patch = (pixels == RED).all(axis=2)
    rows, columns = patch.any(axis=1).sum(), patch.any(axis=0).sum()
    assert (rows, columns) == ((8, 16) if orientation < 5 else (16, 8))


def test_one_pixel():
    assert decoded(encoded(picture((1, 1)))).tolist() == [[list(RED)]]


def test_extension_is_not_believed(tmp_path):
    source = write_zip(tmp_path / "photos.zip", {"photo.jpg": encoded(picture(), "png")})
    with ImageStore(source) as store:
        assert store.read("photo.jpg").size == (60, 40)


def noise(size=(64, 48)):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "gif", "tiff", "bmp"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_truncated(form, share):
    data = encoded(noise(), form)
    with pytest.raises(BrokenImageError, match=r"photo is not an image that can be read"):
        decode_image(data[: int(len(data) * share)], "photo")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"<html>404 Not Found</html>"])
def test_no_image_at_all(data):
    with pytest.raises(BrokenImageError, match="photo"):
        decode_image(data, "photo")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "gif", "tiff", "bmp", "ppm"])
def test_damaged_bytes_give_an_image_or_a_broken_image_and_nothing_else(form):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(noise((24, 16)), form, **({"exif": exif} if form in ("jpeg", "png") else {}))
    generator = np.random.default_rng(1)
    decoded = []
    for _ in range(150):
        data = np.frombuffer(whole, dtype=np.uint8).copy()
        # Headers are the first bytes, where damage is the most interesting.
        reach = min(len(data), int(generator.choice([40, 200, len(data)])))
        places = generator.integers(0, reach, size=int(generator.integers(1, 6)))
        data[places] = generator.integers(0, 256, size=len(places))
        with contextlib.suppress(BrokenImageError):
            decoded.append(decode_image(data.tobytes(), "photo"))
    # Of each form some damage can be borne; PNG has checksums and bears the least of it.
    assert 0 < len(decoded) < 150
    assert {image.mode for image in decoded} == {"RGB"}
    assert {(24, 16), (16, 24)} & {image.size for image in decoded}


def test_a_decompression_bomb_is_refused_before_it_is_unpacked():
    data = black_png(20_000, 20_000, rows=100)
    with pytest.raises(BrokenImageError, match="decompression bomb"):
        decode_image(data, "photo")


def test_a_photo_of_a_hundred_megapixels_is_no_bomb(recwarn):
    data = black_png(10_000, 10_000, rows=10_000)
    assert decode_image(data, "photo").size == (10_000, 10_000)
    assert not recwarn.list


@pytest.mark.parametrize("size", [(178_000_000, 1), (1, 70_000)])
def test_a_strip_that_no_camera_takes_is_refused_before_it_is_unpacked(size):
    # Where both sides become 224, one after the other, it would be 224 x 178,000,000 in between.
    data = black_png(*size, rows=size[1])
    with pytest.raises(BrokenImageError, match="pixels, and a side may have 65,535"):
        decode_image(data, "photo")


@pytest.mark.parametrize(
    ("values", "gray"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 0.0, 0]], np.float32), [0, 0, 0]),
        (np.array([[0, 3.2, 255]], np.float32), [0, 3, 255]),
        (np.array([[0, 300, 65535]], np.float32), [0, 1, 255]),
        (np.array([[0, 7, 255]], np.int32), [0, 7, 255]),
        (np.array([[0, 1, 1]], np.int32), [0, 1, 1]),
        (np.array([[0, 256, 65535]], np.int32), [0, 1, 255]),
    ],
)
def test_tiff_of_more_than_sixteen_bits_is_scaled_by_what_it_holds(values, gray):
    pixels = decoded(encoded(Image.fromarray(values), "tiff"))
    assert pixels.tolist() == [[[value] * 3 for value in gray]]


@pytest.mark.parametrize(
    "values",
    [
        np.array([[-0.5, 0.5]], np.float32),
        np.array([[0, np.nan]], np.float32),
        np.array([[0, np.inf]], np.float32),
        np.array([[0, 70_000]], np.float32),
        np.array([[-1, 5]], np.int32),
        np.array([[0, 2**30]], np.int32),
    ],
)
def test_values_without_a_scale_are_no_black_picture(values):
    with pytest.raises(BrokenImageError, match=r"its values, .* to .*, have no scale"):
        decode_image(encoded(Image.fromarray(values), "tiff"), "photo")


def test_a_dark_picture_of_sixteen_bits_stays_dark():
    data = b"P5 2 1 65535\n" + np.array([0, 255], ">u2").tobytes()
    assert decoded(data).tolist() == [[[0] * 3, [0] * 3]]


def exif_with(tag, kind, count, value, orientation):
    """Return an EXIF block with an orientation and one more entry, as its bytes are given."""
    entries = struct.pack("<HHI4s", 0x0112, 3, 1, struct.pack("<HH", orientation, 0))
    entries += struct.pack("<HHI4s", tag, kind, count, value)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)


@pytest.mark.parametrize("form", ["jpeg", "png"])
@pytest.mark.parametrize(
    ("tag", "kind", "count", "value"),
    [
        (0x0128, 2, 4, b"abc\0"),  # the unit of the resolution, as text
        (0x0100, 2, 4, b"abc\0"),  # the width, as text
        (0x011A, 5, 1, b"\xff\xff\xff\x7f"),  # a resolution that lies behind the end
        (0x8769, 4, 1, b"\xff\xff\xff\x7f"),  # more entries, behind the end
        (0x9286, 99, 3, b"abc\0"),  # no type that there is
        (0x010E, 2, 2**31, b"\0\0\0\0"),  # a text of two gigabytes
    ],
)
def test_damaged_exif_does_not_cost_the_picture(form, tag, kind, count, value):
    data = encoded(picture((60, 40)), form, exif=exif_with(tag, kind, count, value, 6))
    pixels = decoded(data)
    assert pixels.shape == (60, 40, 3)
    assert np.abs(pixels.astype(int) - RED).max() <= 2


def test_exif_that_is_junk():
    for form in ("jpeg", "png"):
        data = encoded(picture((60, 40)), form, exif=b"Exif\0\0" + bytes(range(64)))
        assert decoded(data).shape == (40, 60, 3)


@pytest.mark.parametrize("kind", ["icc_profile", "zTXt", "iTXt"])
def test_a_png_with_large_metadata_is_read(kind):
    large = b"x" * (3 << 20)
    options = {"exif": Image.Exif()}
    options["exif"][0x0112] = 6
    if kind == "icc_profile":
        options["icc_profile"] = large
    else:
        info = PngImagePlugin.PngInfo()
        add = info.add_text if kind == "zTXt" else info.add_itxt
        add("comment", large.decode(), zip=True)
        options["pnginfo"] = info
    data = encoded(noise((60, 40)), **options)
    assert (
        decoded(data) == np.asarray(noise((60, 40)).transpose(Image.Transpose.ROTATE_270))
    ).all()


def test_a_broken_png_is_broken_with_large_metadata_too():
    data = encoded(noise((60, 40)), icc_profile=b"x" * (3 << 20))
    with pytest.raises(BrokenImageError):
        decode_image(data[:-400], "photo")


@pytest.mark.parametrize("form", ["eps", "pdf", "ico", "tga", "pcx", "sgi", "dds"])
def test_only_formats_of_photos_are_opened(form):
    """EPS would start Ghostscript, where there is one."""
    data = encoded(picture(), form)
    with pytest.raises(BrokenImageError, match=r"photo is not .* \(it is none of JPEG, PNG, WEBP"):
        decode_image(data, "photo")


@pytest.mark.parametrize("form", ["jpeg2000", "avif"])
def test_formats_of_which_a_build_of_pillow_may_lack_some(form):
    if form.upper() not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {form}")
    assert np.abs(decoded(encoded(picture(), form)).astype(int) - RED).max() <= 4


def heic(brand=b"heic"):
    return struct.pack(">I", 24) + b"ftyp" + brand + bytes(12) + bytes(100)


def test_heic_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for brand in (b"heic", b"mif1"):
        with pytest.raises(
            BrokenImageError, match=r"it is HEIC, .*`pip install pillow-heif`"
        ) as told:
            decode_image(heic(brand), "photo")
        assert "0x" not in str(told.value)


def test_heic_is_read_by_pillow_heif(monkeypatch):
    """By a stand-in for it, which registers itself with Pillow as it does."""

    class Opener(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self):
            self._size, self._mode = (2, 1), "RGB"

        def load(self):
            self.im = Image.core.fill("RGB", self.size, GREEN)
            return Image.Image.load(self)

    def register_heif_opener():
        Image.register_open("HEIF", Opener, lambda prefix: prefix[4:8] == b"ftyp")

    for registered in (Image.ID, Image.OPEN):
        monkeypatch.setattr(Image, "ID" if registered is Image.ID else "OPEN", registered.copy())
    monkeypatch.setitem(
        sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register_heif_opener)
    )
    assert decoded(heic()).tolist() == [[list(GREEN)] * 2]


def test_heic_of_pillow_heif_itself():
    pillow_heif = pytest.importorskip("pillow_heif")
    photo = picture((64, 48))
    photo.paste(BLUE, (0, 0, 32, 48))

    def written(image, **options):
        packed = io.BytesIO()
        pillow_heif.from_pillow(image).save(packed, quality=100, chroma=444, **options)
        return packed.getvalue()

    def is_close(pixels, expected):
        return np.abs(pixels.astype(int) - np.asarray(expected)).max() <= 8

    assert is_close(decoded(written(photo)), photo)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = decoded(written(photo, exif=exif.tobytes()))
    assert is_close(turned, photo.transpose(Image.Transpose.ROTATE_270))
    clear = photo.convert("RGBA")
    clear.putalpha(0)
    assert is_close(decoded(written(clear)), Image.new("RGB", photo.size, WHITE))
    whole = written(photo)
    for size in (40, len(whole) // 2):
        with pytest.raises(BrokenImageError, match=r"^photo is not .*: replace it\.$"):
            decode_image(whole[:size], "photo")


def test_avif_that_is_named_by_the_brand_of_its_container(monkeypatch):
    if "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow writes no AVIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = bytearray(encoded(picture(), "avif"))
    data[8:12] = b"mif1"
    assert np.abs(decoded(bytes(data)).astype(int) - RED).max() <= 4


def test_a_reason_of_several_lines_is_told_in_one(monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("no end\n of  it\n")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(BrokenImageError, match=r"\(no end of it\): replace it\.$"):
        decode_image(encoded(picture()), "photo")


def test_what_cannot_be_read_is_told_without_an_address_of_memory():
    with pytest.raises(BrokenImageError) as told:
        decode_image(b"no picture", "photo")
    assert "0x" not in str(told.value)
    # `recap caption` has no such setting; the extraction tells of it.
    assert "broken_images" not in str(told.value)


# --- the store ----------------------------------------------------------------------------------


def test_a_photo_is_found_by_its_path_and_by_its_name(tmp_path):
    members = {"val2014/": b"", "val2014/a.png": encoded(picture(colour=GREEN))}
    with ImageStore(write_zip(tmp_path / "val2014.zip", members)) as store:
        for name in ("val2014/a.png", "a.png", "images/val2014/a.png"):
            assert store.read(name).getpixel((0, 0)) == GREEN


def test_the_path_decides_between_photos_of_one_name(tmp_path):
    members = {"x/a.png": encoded(picture(colour=RED)), "y/a.png": encoded(picture(colour=BLUE))}
    with ImageStore(write_zip(tmp_path / "photos.zip", members)) as store:
        assert store.read("y/a.png").getpixel((0, 0)) == BLUE
        with pytest.raises(BrokenImageError, match=r"^a\.png stands 2 times in .*photos\.zip"):
            store.read("a.png")


def test_a_photo_that_was_replaced_in_the_archive(tmp_path):
    source = write_zip(tmp_path / "photos.zip", {"x/a.png": encoded(picture(colour=RED))})
    with (
        zipfile.ZipFile(source, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("x/a.png", encoded(picture(colour=BLUE)))
    with ImageStore(source) as store:
        assert store.read("a.png").getpixel((0, 0)) == BLUE


def test_what_macos_adds_is_passed_over(tmp_path):
    members = {
        "photos/a.jpg": encoded(picture(colour=GREEN)),
        "__MACOSX/photos/._a.jpg": b"not a photo",
        "__MACOSX/photos/a.jpg": b"not a photo",
        "photos/._a.jpg": b"not a photo",
        "photos/.DS_Store": b"not a photo",
    }
    with ImageStore(write_zip(tmp_path / "photos.zip", members)) as store:
        assert store.read("a.jpg").getpixel((0, 0)) == GREEN
        with pytest.raises(BrokenImageError, match="is not in"):
            store.read("._a.jpg")


def test_a_missing_photo(tmp_path):
    source = write_zip(tmp_path / "photos.zip", {"a.png": encoded(picture())})
    with (
        ImageStore(source) as store,
        pytest.raises(BrokenImageError, match=r"^b\.png is not in .*photos\.zip: check that"),
    ):
        store.read("b.png")


def test_nothing_is_ever_unpacked(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    members = {"../escaped.png": encoded(picture()), "/tmp-root.png": encoded(picture())}
    source = write_zip(inner / "photos.zip", members)
    with ImageStore(source) as store:
        assert store.read("escaped.png").size == (60, 40)
        assert store.read("tmp-root.png").size == (60, 40)
    assert sorted(tmp_path.rglob("*")) == [inner, source]


def test_a_folder_is_searched_with_its_sub_folders(tmp_path):
    (tmp_path / "photos/deep").mkdir(parents=True)
    (tmp_path / "photos/deep/a.png").write_bytes(encoded(picture(colour=BLUE)))
    (tmp_path / "outside.png").write_bytes(encoded(picture()))
    with ImageStore(tmp_path / "photos") as store:
        assert store.read("deep/a.png").getpixel((0, 0)) == BLUE
        assert store.read("a.png").getpixel((0, 0)) == BLUE
        for outside in ("../outside.png", str(tmp_path / "outside.png")):
            with pytest.raises(BrokenImageError, match="is not in"):
                store.read(outside)


def test_a_photo_that_vanished_from_a_folder(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    with ImageStore(tmp_path) as store:
        (tmp_path / "a.png").unlink()
        with pytest.raises(BrokenImageError, match=r"a\.png cannot be read \(No such file"):
            store.read("a.png")


def test_photos_of_several_archives(tmp_path):
    """Karpathy's training split has photos of both of COCO's archives."""
    train = write_zip(tmp_path / "train2014.zip", {"train2014/1.jpg": b"one", "both.jpg": b"x"})
    val = write_zip(tmp_path / "val2014.zip", {"val2014/2.jpg": b"two", "both.jpg": b"x"})
    with ImageStore(train, val) as store:
        assert store.read_bytes("1.jpg") == b"one"
        assert store.read_bytes("2.jpg") == b"two"
        assert store.read_bytes("val2014/2.jpg") == b"two"
        with pytest.raises(BrokenImageError, match=r"3\.jpg is not in .*train2014.* or .*val2014"):
            store.read_bytes("3.jpg")
        with pytest.raises(BrokenImageError, match=r"both\.jpg stands 2 times"):
            store.read_bytes("both.jpg")


def test_the_archive_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"none\.zip does not exist"):
        ImageStore(tmp_path / "none.zip")


@pytest.mark.parametrize("cut", [0, 10, 1000, -5])
def test_a_truncated_archive(tmp_path, cut):
    source = write_zip(tmp_path / "photos.zip", {"a.png": encoded(noise())})
    source.write_bytes(source.read_bytes()[:cut])
    with pytest.raises(
        InputError, match=r"photos\.zip is not a whole zip archive .* download or make"
    ):
        ImageStore(source)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_one_damaged_entry_leaves_the_others_readable(tmp_path, compression):
    members = {"a.bmp": encoded(noise(), "bmp"), "b.bmp": encoded(picture(), "bmp")}
    source = write_zip(tmp_path / "photos.zip", members, compression)
    data = bytearray(source.read_bytes())
    data[200:210] = bytes(byte ^ 0xFF for byte in data[200:210])
    source.write_bytes(data)
    with ImageStore(source) as store:
        with pytest.raises(BrokenImageError, match=r"a\.bmp in .*photos\.zip cannot be read"):
            store.read("a.bmp")
        assert store.read("b.bmp").size == (60, 40)


def declare(source, size):
    """Have the only entry of an archive declare another size than it has."""
    data = bytearray(source.read_bytes())
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(signature) + place, size)
    source.write_bytes(data)


@pytest.mark.parametrize(
    ("declared", "message"),
    [(None, "has 50,000,000 bytes"), (60, "cannot be read"), (1 << 20, "cannot be read")],
)
def test_an_entry_that_unpacks_to_too_much(tmp_path, monkeypatch, declared, message):
    """50 MB of zeros in a small entry, whose header tells the truth or does not."""
    monkeypatch.setattr(photo_store, "MOST_BYTES", 1 << 20)
    source = tmp_path / "photos.zip"
    with (
        zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("bomb.bmp", "w") as file,
    ):
        for _ in range(50):
            file.write(bytes(1_000_000))
    if declared is not None:
        declare(source, declared)
    tracemalloc.start()
    with ImageStore(source) as store, pytest.raises(BrokenImageError, match=rf"bomb.*{message}"):
        store.read("bomb.bmp")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_whose_unpacking_cannot_be_bounded(tmp_path, method):
    source = write_zip(tmp_path / "photos.zip", {"a.png": encoded(picture())}, method)
    with (
        ImageStore(source) as store,
        pytest.raises(BrokenImageError, match="neither stored nor deflated"),
    ):
        store.read("a.png")


def test_a_file_in_a_folder_that_is_larger_than_a_photo(tmp_path):
    with open(tmp_path / "a.bmp", "wb") as file:
        file.truncate((1 << 28) + 1)
    with (
        ImageStore(tmp_path) as store,
        pytest.raises(BrokenImageError, match=r"a\.bmp has 268,435,457 bytes"),
    ):
        store.read("a.bmp")


def test_an_encrypted_entry_is_a_broken_image(tmp_path):
    source = write_zip(tmp_path / "photos.zip", {"a.png": encoded(picture())})
    data = bytearray(source.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + flags] |= 1
    source.write_bytes(data)
    with (
        ImageStore(source) as store,
        pytest.raises(BrokenImageError, match=r"photos\.zip is encrypted: pack it again without"),
    ):
        store.read("a.png")
