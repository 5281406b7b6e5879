"""Submissions are named, packed and checked as COCO's evaluation server wants them."""

import json
import zipfile

import pytest

from recap.core.errors import InputError
from recap.evaluation.scoring.results import name_images
from recap.evaluation.scoring.submission import write_submission

RESULTS = [{"image_id": 7, "caption": "a café"}, {"image_id": 3, "caption": "two dogs"}]


@pytest.fixture
def files(tmp_path):
    """Return a results file, a list of its images as the test split has it, and an output."""
    results, images = tmp_path / "results.json", tmp_path / "images.json"
    results.write_text(json.dumps(RESULTS))
    images.write_text(json.dumps({"images": [{"id": 3}, {"id": 7}], "info": {}}))
    return results, images, tmp_path / "submission.zip"


def test_the_archive_holds_the_captions_by_the_name_that_the_server_knows(files, capsys):
    results, images, output = files
    write_submission(results, images, algorithm="recap-lstm", output=output)
    with zipfile.ZipFile(output) as archive:
        assert archive.namelist() == ["captions_val2014_recap-lstm_results.json"]
        assert json.loads(archive.read(archive.namelist()[0])) == RESULTS
        # When it is packed leaves no trace: this is a zip archive's earliest date.
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
    printed = capsys.readouterr().out
    assert "with 2 captions" in printed
    assert "40,504 images of val2014; these are 2" in printed
    assert "40,775 images of test2014; these are 0" in printed
    first = output.read_bytes()
    write_submission(results, images, algorithm="recap-lstm", output=output)
    assert output.read_bytes() == first


def test_both_splits(files):
    results, images, output = files
    write_submission(
        results,
        images,
        algorithm="x",
        output=output,
        test_results=results,
        test_images=images,
    )
    with zipfile.ZipFile(output) as archive:
        assert archive.namelist() == [
            "captions_val2014_x_results.json",
            "captions_test2014_x_results.json",
        ]


@pytest.mark.parametrize("algorithm", ["", "two words", "a_b", "../x", "-a", "a--b", "é", "a\n"])
def test_a_name_that_will_not_do(algorithm, files):
    results, images, output = files
    with pytest.raises(InputError, match="use letters and digits"):
        write_submission(results, images, algorithm=algorithm, output=output)
    assert not output.exists()


@pytest.mark.parametrize(
    ("entries", "listed", "message"),
    [
        (RESULTS[:1], [3, 7], "results.json has no caption of image 3 of .*images.json"),
        (RESULTS, [3], "results.json has captions of image 7, which .*images.json does not"),
        (RESULTS + RESULTS[:1], [3, 7], "more than one caption of image 7"),
    ],
)
def test_captions_that_do_not_fit(entries, listed, message, files):
    results, images, output = files
    results.write_text(json.dumps(entries))
    images.write_text(json.dumps({"images": [{"id": image} for image in listed]}))
    with pytest.raises(InputError, match=message):
        write_submission(results, images, algorithm="x", output=output)
    assert not output.exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"images": [{}]}', "[", "null"])
def test_a_broken_list_of_images(content, files):
    results, images, output = files
    images.write_text(content)
    with pytest.raises(InputError, match="images.json"):
        write_submission(results, images, algorithm="x", output=output)
    assert not output.exists()


def test_half_of_the_test_split(files):
    results, images, output = files
    with pytest.raises(InputError, match="give both --test-results and --test-images"):
        write_submission(results, images, algorithm="x", output=output, test_images=images)


@pytest.mark.parametrize(
    ("images", "named"),
    [
        ([1], "image 1"),
        ([1, 2, 3], "images 1, 2, 3"),
        ([1, 2, 3, 4], "images 1, 2, 3 and 1 more"),
    ],
)
def test_of_many_images_three_are_named(images, named):
    assert name_images(images) == named
