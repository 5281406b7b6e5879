"""Draw the rules of a captioning study; `python docs/workflow_diagram.py` writes the picture."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent
KIT = runpy.run_path(str(DOCS / "tutorial/diagrams.py"))
GREY, BLUE, VALUE, STEP = (KIT[name] for name in ("GREY", "BLUE", "VALUE", "STEP"))

# Of each stage the left edge, top, width and height of its field, and where its rules stand in it:
# column and row.
STAGES = {
    "datasets": (
        (10, 10, 940, 80),
        {"draw_shapes": (0, 0), "download_file": (1, 0), "verify_download": (2, 0),
         "prepare_annotations": (3, 0), "choose_captions": (4, 0)},
    ),
    "features": (
        (10, 140, 560, 130),
        {"list_shards": (0, 0), "extract_features": (1, 0), "sum_features": (2, 0),
         "gather_features": (0, 1), "apply_pca": (1, 1), "fit_pca": (2, 1)},
    ),
    "captions": (
        (590, 140, 360, 130),
        {"build_vocabulary": (0, 0), "encode_captions": (1, 0), "list_images": (0, 1)},
    ),
    "training": ((390, 320, 180, 80), {"train_captioner": (0, 0)}),
    "evaluation": (
        (10, 450, 750, 80),
        {"explain_captions": (0, 0), "generate_captions": (1, 0), "score_captions": (2, 0),
         "measure_perplexity": (3, 0)},
    ),
    "report": (
        (10, 580, 560, 80),
        {"prepare_categories": (0, 0), "record_provenance": (1, 0), "compare_captioners": (2, 0)},
    ),
}  # fmt: skip

# Within a stage.
STEPS = [
    ("download_file", "verify_download"),
    ("prepare_annotations", "choose_captions"),
    ("list_shards", "extract_features"),
    ("extract_features", "sum_features"),
    ("sum_features", "fit_pca"),
    ("fit_pca", "apply_pca"),
    ("apply_pca", "gather_features"),
    ("build_vocabulary", "encode_captions"),
    ("generate_captions", "score_captions"),
    ("generate_captions", "explain_captions"),
    ("record_provenance", "compare_captioners"),
]

# From stage to stage: where an arrow begins and ends, and what goes along it.
FLOWS = [
    ((290, 90), (290, 140), "photos, weights, lists of images"),
    ((770, 90), (770, 140), "captions of each split"),
    ((430, 270), (430, 320), "reduced features"),
    ((740, 270), (740, 360), (570, 360), "captions in numbers"),
    ((480, 400), (480, 450), "captioners"),
    ((100, 270), (100, 450), "features of the scored photos"),
    ((290, 530), (290, 580), "captions, scores, maps of words"),
]

WIDTH, PITCH = 152, 180


def draw():
    """Return the diagram."""
    d = KIT["Drawing"](960, 670, "The rules of a captioning study, by stage, and what goes between")
    places = {}
    for stage, ((left, top, width, height), rules) in STAGES.items():
        d.box(left + width / 2, top + height / 2, "", VALUE, width, height)
        d.text(left + 10, top + 14, stage, BLUE, 14, "start")
        for rule, (column, row) in rules.items():
            places[rule] = left + 90 + PITCH * column, top + 50 + 50 * row
    for before, after in STEPS:
        (x0, y0), (x1, y1) = places[before], places[after]
        if y0 == y1:
            side = WIDTH / 2 if x1 > x0 else -WIDTH / 2
            d.arrow((x0 + side, y0), (x1 - side, y1))
        else:
            d.arrow((x0, y0 + 15), (x1, y1 - 15))
    for rule, (x, y) in places.items():
        d.box(x, y, rule, STEP, WIDTH, 30)
    for *points, words in FLOWS:
        d.arrow(*points, colour=GREY)
        (x, y), (_, end) = points[0], points[1]
        d.text(x + 9, (y + min(end, y + 50)) / 2, words, GREY, 13, "start")
    return d


if __name__ == "__main__":
    (DOCS / "workflow.svg").write_text(draw().svg(), encoding="utf-8")
