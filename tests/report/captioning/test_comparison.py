import json

import pytest

from recap.core.errors import InputError
from recap.report.captioning.comparison import build_comparisons
from recap.report.captioning.judge import judge
from recap.report.captioning.study import read_study


def test_a_study_alone_keeps_the_names_of_its_models(fake):
    comparison = fake.compared()
    assert list(comparison.models) == ["lstm", "rnn"]
    assert comparison.decoders("rnn") == ["greedy", "beam3"]
    assert len(comparison.all_decodings()) == 8
    assert comparison.name == "discs"


def test_studies_on_the_same_images_are_one_comparison(make_fake):
    fakes = [make_fake(0.2, "one"), make_fake(0.4, "two")]
    (comparison,) = build_comparisons([read_study(fake.folder) for fake in fakes])
    assert list(comparison.models) == ["one: lstm", "one: rnn", "two: lstm", "two: rnn"]
    assert comparison.study_of["two: rnn"].name == "two"
    verdict = judge(comparison, seed=0)
    assert verdict.best.model == "two: lstm"
    assert verdict.leads[0].model == "one: lstm"
    assert verdict.leads[0].difference.mean == pytest.approx(0.2)


def test_images_are_put_in_the_order_of_the_first_study(make_fake):
    fakes = [make_fake(0.2, "one"), make_fake(0.2, "two")]
    for path in (fakes[1].folder / "scores").rglob("*.json"):
        content = json.loads(path.read_text())
        for values in content["per_image"].values():
            values.reverse()
        path.write_text(json.dumps(content))
    (comparison,) = build_comparisons([read_study(fake.folder) for fake in fakes])
    for decoder in ("greedy", "beam3"):
        one, two = (comparison.decodings(f"{name}: rnn", decoder)[1] for name in ("one", "two"))
        assert one.captions == two.captions
        assert one.cider.tolist() == two.cider.tolist()


@pytest.mark.parametrize("change", ["image", "reference"])
def test_studies_on_other_images_or_references_stand_beside_each_other(make_fake, tmp_path, change):
    one, two = make_fake(0.2, "one"), make_fake(0.4, "two")
    content = json.loads(two.annotations.read_text())
    if change == "reference":
        content["annotations"][0]["caption"] = "another"
    else:
        for path in [*two.folder.glob("scores/*/*/*"), *two.folder.glob("captions/*/*/*")]:
            path.write_text(path.read_text().replace("100", "99"))
        content["images"][0]["id"] = 99
        for entry in content["annotations"][:5]:
            entry["image_id"] = 99
    (tmp_path / "other.json").write_text(json.dumps(content))
    record = json.loads((two.folder / "provenance.json").read_text())
    record["annotations"] = "../other.json"
    (two.folder / "provenance.json").write_text(json.dumps(record))
    comparisons = build_comparisons([read_study(fake.folder) for fake in (one, two)])
    assert [list(item.models) for item in comparisons] == [["lstm", "rnn"]] * 2
    assert [item.name for item in comparisons] == ["one", "two"]


def test_two_studies_of_one_name_are_refused(fake):
    study = read_study(fake.folder)
    with pytest.raises(InputError, match="Two of the folders are named discs"):
        build_comparisons([study, study])


def test_annotations_of_another_split_are_told(fake):
    fake.annotations.write_text('{"images": [], "annotations": []}')
    with pytest.raises(InputError, match=r"captions_val\.json does not list image 100"):
        fake.compared()
