import re
import xml.etree.ElementTree as ElementTree

from recap.report.captioning.curves import learning_curves
from recap.report.captioning.study import read_study
from recap.report.figures import INK, colour_of, shape_of


def test_svg_is_whole_self_contained_and_the_same_each_time(fake):
    models = read_study(fake.folder).models
    svg = learning_curves(models)
    assert svg == learning_curves(models)
    root = ElementTree.fromstring(svg)
    assert root.get("class") == "learning-curves"
    assert root.get("aria-label") == "Learning curves of lstm, rnn"
    assert "<text" not in svg
    assert "font-family" not in svg
    assert "metadata" not in svg


def test_two_drawings_on_a_page_share_no_ids(fake):
    models = read_study(fake.folder).models
    ids = [
        set(re.findall(r'\bid="([^"]*)"', learning_curves(models, prefix=prefix)))
        for prefix in ("c1-", "c2-")
    ]
    assert len(ids[0]) > 10
    assert not ids[0] & ids[1]
    svg = learning_curves(models, prefix="c1-")
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg)) <= ids[0]


def test_ink_follows_the_reader(fake):
    svg = learning_curves(read_study(fake.folder).models)
    assert INK not in svg
    assert "stroke: currentColor" in svg
    assert "prefers-color-scheme:dark" in svg


def test_names_of_models_are_text_not_markup(fake):
    runs = read_study(fake.folder).models["rnn"]
    svg = learning_curves({r'a"><script>$\unknown$': runs, "_hidden -->": runs})
    ElementTree.fromstring(svg)
    assert "<script" not in svg


def marks_of_lines(svg, colour):
    """Return how many marks each line of a colour has, in the order of drawing, without the key."""
    root = ElementTree.fromstring(svg)
    key = {part for group in root.iter() if group.get("id") == "legend_1" for part in group.iter()}
    lines = [part for part in root.iter() if (part.get("id") or "").startswith("line2d")]
    return [
        len(list(line.iter("{http://www.w3.org/2000/svg}use")))
        for line in lines
        if line not in key and colour in ElementTree.tostring(line, encoding="unicode")
    ]


def test_a_history_of_one_row_without_validation(fake):
    def curve():
        models = read_study(fake.folder).models
        return marks_of_lines(learning_curves({"rnn": models["rnn"][:1]}), colour_of(0))

    # The training, the three validations, and the epoch that was kept.
    assert curve() == [0, 3, 1]
    path = fake.folder / "models/rnn/seed0/history.csv"
    header, first = path.read_text().splitlines()[:2]
    # Of an epoch of one step, as of a training that ended at once.
    path.write_text(f"{header}\n{first}nan\n")
    assert [marks for marks in curve() if marks] == [1]


def test_a_training_that_diverged_is_drawn_as_far_as_it_goes(fake):
    models = read_study(fake.folder).models
    history = models["rnn"][0].history
    history.loss[15:] = float("inf")
    history.validation_loss[19:] = float("nan")
    assert "NaN" not in learning_curves(models)
    for array in (history.loss, history.validation_loss):
        array[:] = float("nan")
    ElementTree.fromstring(learning_curves({"rnn": models["rnn"][:1]}))


def test_runs_without_a_history_are_passed_over(fake):
    (fake.folder / "models/rnn/seed0/history.csv").unlink()
    models = read_study(fake.folder).models
    both, one = learning_curves(models), learning_curves({**models, "rnn": models["rnn"][1:]})
    assert both == one


def test_no_two_of_thirty_models_look_alike():
    marks = {(colour_of(index), shape_of(index)) for index in range(30)}
    assert len(marks) == 30


def test_the_users_matplotlib_settings_do_not_count(fake, monkeypatch):
    import matplotlib

    models = read_study(fake.folder).models
    before = learning_curves(models)
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9)
    monkeypatch.setitem(matplotlib.rcParams, "axes.labelsize", 40)
    assert learning_curves(models) == before
    assert matplotlib.rcParams["axes.labelsize"] == 40
