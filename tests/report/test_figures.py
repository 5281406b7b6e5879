import pytest

from recap.report.figures import COLOURS, SHAPES, colour_of, draw_svg, scale_of, shape_of


@pytest.mark.parametrize("scores", [(0.01, 0.03), (-0.01, 0.03, 0.0), (0.0, 0.0)])
def test_a_scale_keeps_order_and_margins(scores):
    scale = scale_of(*scores)
    places = [scale.place(score) for score in sorted(scores)]
    assert places == sorted(places)
    assert 4 <= places[0] <= places[-1] <= 96


def test_marks_repeat_only_after_all_pairs_of_colour_and_shape():
    pairs = [(colour_of(index), shape_of(index)) for index in range(len(COLOURS) * len(SHAPES))]
    assert len(set(pairs)) == len(pairs)


def test_two_figures_of_one_page_share_no_name():
    figures = [
        draw_svg(lambda axes: axes.plot([0, 1]), name=name, label="<loss>", prefix=name)
        for name in ("mark-a", "mark-b")
    ]
    assert all('aria-label="&lt;loss&gt;"' in svg for svg in figures)
    assert figures[0].replace("mark-a", "mark-b") == figures[1]
