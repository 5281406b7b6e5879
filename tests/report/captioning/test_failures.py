import numpy as np

from recap.report.captioning.failures import failure, failures

REFERENCES = [f"people see thing {number}" for number in range(20)]
SCORES = np.full(20, 0.3)


def various(count):
    return [f"a dog runs after ball {number}" for number in range(count)]


def test_captions_that_differ_work():
    assert failure(various(20), SCORES, REFERENCES) == ""
    assert failure(["a dog runs"] * 10 + various(10), SCORES, REFERENCES) == ""


def test_one_caption_for_most_images():
    assert failure(["A man."] * 11 + various(9), SCORES, REFERENCES) == (
        "it gives one caption, “a man”, to 11 of 20 images"
    )
    assert (
        failure([""] * 20, SCORES, REFERENCES)
        == "it gives a caption without words to 20 of 20 images"
    )
    assert failure(["A man."] * 20, SCORES, ["a man"] * 20) == ""


def test_one_word_repeated():
    captions = [f"a {word} a a {word} a a" for word in "bcdefghijkl"] + various(9)
    assert failure(captions, SCORES, REFERENCES) == "11 of its 20 captions repeat one word"
    assert failure(captions[1:11] + various(10), SCORES, REFERENCES) == ""
    natural = [f"the man and the dog and the {word}" for word in "bcdefghijklmnopqrstu"]
    assert failure(natural, SCORES, REFERENCES) == ""


def test_scores_of_zero():
    assert "score zero" in failure(various(20), 0 * SCORES, REFERENCES)
    assert "score zero" in failure(various(20), 0 * SCORES + 0.00049, REFERENCES)
    assert failure(various(20), 0 * SCORES + 0.00051, REFERENCES) == ""


def test_of_few_images_nothing_is_said():
    assert failure(["a man"] * 5, SCORES[:5], REFERENCES[:5]) == ""
    assert failure(["a man"] * 6, SCORES[:6], REFERENCES[:6]).endswith("to 6 of 6 images")


def test_each_seed_is_looked_at(fake):
    comparison = fake.compared()
    comparison.decodings("rnn", "beam3")[1].captions[:] = ["a man"] * 20
    found = failures(comparison, "beam3")
    assert found["lstm"] == ["", ""]
    assert found["rnn"] == ["", "it gives one caption, “a man”, to 20 of 20 images"]
