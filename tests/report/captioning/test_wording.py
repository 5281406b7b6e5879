from recap.report.captioning.wording import (
    Wording,
    describe_wording,
    wording_of_models,
    wording_of_references,
    words_of,
)


def test_case_and_punctuation_do_not_count():
    captions = ["A man's dog.", "a mans dog", "two T-shirts , red"]
    assert describe_wording(captions, None) == Wording(3.0, 2 / 3, 6, None)


def test_what_was_learnt_by_heart_is_not_new():
    learnt = {words_of("A red disc."), words_of("three")}
    assert (
        describe_wording(["a red disc", "a disc", "Three!", "four"], learnt).novel_captions == 0.5
    )


def test_people_and_captioners_are_cut_alike():
    """A captioner says words without punctuation, as it was taught them."""
    (learnt,) = people = ["A man's close-up, on TV!"]
    assert describe_wording(["a mans closeup on tv"], {words_of(learnt)}).novel_captions == 0
    assert describe_wording([*people, "a mans closeup on tv"], None).distinct_words == 5


def test_models_and_people(fake):
    comparison = fake.compared()
    learnt = {words_of(f"<script>alert(1)</script> by rnn {number}") for number in (0, 5)}
    people = wording_of_references(comparison, learnt)
    assert people == Wording(4.0, 1.0, 3 + 20, 1.0)
    models = wording_of_models(comparison, "greedy", {"discs": learnt})
    assert list(models) == ["lstm", "rnn"]
    assert models["rnn"].distinct_captions == 1.0
    assert models["lstm"].novel_captions == 1.0
    assert models["rnn"].novel_captions == 0.9
    unknown = wording_of_models(comparison, "greedy", {"discs": None})
    assert unknown["rnn"].novel_captions is None


def test_seeds_are_averaged(fake):
    comparison = fake.compared()
    comparison.decodings("rnn", "greedy")[1].captions[:] = ["one"] * 20
    before = wording_of_models(fake.compared(), "greedy", {"discs": None})["rnn"]
    after = wording_of_models(comparison, "greedy", {"discs": None})["rnn"]
    assert after.distinct_captions == (1 + 1 / 20) / 2
    assert after.words_per_caption == (before.words_per_caption + 1) / 2
