from recap.annotations import read_annotations
from recap.report.study import read_study
from recap.report.wording import Wording, describe_wording, wording_of_models, wording_of_people


def test_case_and_punctuation_do_not_count():
    captions = ["A man's dog.", "a man's dog", "two T-shirts , red"]
    assert describe_wording(captions) == Wording(3.0, 2 / 3, 6)


def test_models_and_people(fake):
    study = read_study(fake.folder)
    people = wording_of_people(study, read_annotations(fake.annotations))
    assert people == Wording(4.0, 1.0, 3 + 20)
    models = wording_of_models(study, "greedy")
    assert list(models) == ["lstm", "rnn"]
    assert models["rnn"].distinct_captions == 1.0
