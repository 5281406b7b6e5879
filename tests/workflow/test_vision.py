"""The stage vision in miniature: one run from drawn scenes to its report."""

import json

import pytest

TINY = """
vision:
  classifier: {scenes: 12, held_out: 6, kept: 3, examples: 1, epochs: 1}
  saliency: {samples: 2, steps: 2, erasures: 2, checked: 1}
  fooling: {steps: 2}
  classes: {steps: 2, course_steps: 2}
  typical: [red ring]
  targets: [red star]
  inversion: {steps: 2, layers: [conv2]}
  dreams: {size: 64, octaves: 1, steps: 1}
  style: {size: 64, style_size: 64, steps: 2}
"""
METHODS = ["saliency", "fooling", "classes", "inversion", "dreams", "style/grass", "style/water"]


@pytest.mark.slow
def test_vision_from_drawn_scenes_to_its_report(workflow):
    (workflow.folder / "tiny-vision.yaml").write_text(TINY)
    output = workflow.run("vision", "--cores", "2", config="tiny-vision.yaml")
    study = workflow.folder / "results" / "vision-scenes"
    for method in METHODS:
        scores = json.loads((study / method / "scores.json").read_text())
        for image in scores["images"]:
            for name in image["pictures"].values():
                assert (study / method / name).exists()
    page = (study / "report/index.html").read_text()
    assert all(f'<section id="{method.split("/")[0]}">' in page for method in METHODS)
    assert "Report: results/vision-scenes/report/index.html" in output
    assert workflow.planned("vision", config="tiny-vision.yaml") == set()
    # What is edited reruns its method and the page, and nothing else.
    steps = workflow.folder / "src/recap/vision/dreams.py"
    steps.write_text(steps.read_text() + "\n# edited\n")
    again = workflow.planned("vision", config="tiny-vision.yaml")
    assert again == {"dream_images", "compare_vision", "vision"}
