"""The captions of the `shapes` data set: writing them, reading them, and holding them to account.

Writing and reading share one set of tables, so that every word that a caption can use is
understood again.
"""

import itertools
import re
from dataclasses import dataclass

import numpy as np

from recap.datasets.shapes.scenes import ATTRIBUTES, DrawnObject, Scene

MAX_WORDS = 15
"""The course drops longer captions; none is written."""

# The first of several names is used as often as the others together.
NAMES = {
    "shape": {
        "ring": ("ring", "hoop"),
        "square": ("square", "tile"),
        "triangle": ("triangle",),
        "star": ("star",),
        "heart": ("heart",),
    },
    "colour": {
        "red": ("red", "scarlet"),
        "orange": ("orange",),
        "yellow": ("yellow", "golden"),
        "green": ("green",),
        "blue": ("blue",),
        "purple": ("purple", "violet"),
        "white": ("white",),
        "black": ("black",),
    },
    "size": {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")},
    "place": {
        "left": ("on the left", "at the left"),
        "middle": ("in the middle", "in the centre"),
        "right": ("on the right", "at the right"),
    },
    "background": {
        "grass": ("on the grass", "in the grass", "on a lawn", "in a meadow"),
        "sky": ("in the sky", "in a cloudy sky", "among the clouds"),
        "sand": ("on the sand", "on a sandy beach", "on the beach"),
        "road": ("on the road", "on a street", "in the street"),
        "water": ("on the water", "in the water", "on a lake", "in the sea"),
        "snow": ("in the snow", "on the snow", "in a snowfield"),
    },
}

# To follow "is", and to stand alone.
VERBS = {
    "grass": (("lying", "lies"), ("resting", "rests")),
    "sky": (("floating", "floats"), ("hanging", "hangs")),
    "sand": (("lying", "lies"), ("resting", "rests")),
    "road": (("lying", "lies"), ("standing", "stands")),
    "water": (("floating", "floats"), ("drifting", "drifts")),
    "snow": (("lying", "lies"), ("resting", "rests")),
}

# What the fields stand for is in `_fields`.
OF_ONE = (
    "a {thing} {on_ground}",
    "a {thing} {doing} {on_ground}",
    "a {thing} {doing} {on_ground} {at_place}",
    "a {thing} {at_place} of {ground}",
    "a {thing} {at_place}",
    "a {shape} that is {size} and {colour} {on_ground}",
    "the {shape} {at_place} of {ground} is {colour}",
    "the {shape} {on_ground} is {size} and {colour}",
    "the {thing} {does} {at_place} of {ground}",
    "there is a {thing} {on_ground}",
    "there is a {thing} {on_ground} {at_place}",
    "there is a {thing} {doing} {on_ground}",
    "{on_ground} there is a {thing}",
    "{on_ground} {does} a {thing}",
    "{at_place} of {ground} {does} a {thing}",
    "{at_place} there is a {thing} {on_ground}",
    "a picture of a {thing} {on_ground}",
    "only a {thing} can be seen {on_ground}",
    "someone put a {thing} {on_ground}",
)
OF_PAIR = (
    "a {left} and a {right} {on_ground}",
    "a {left} and a {right} {doing} {on_ground}",
    "a {left} next to a {right} {on_ground}",
    "a {left} {doing} {on_ground} beside a {right}",
    "a {left} to the left of a {right}",
    "a {left} to the left of a {right} {on_ground}",
    "a {right} to the right of a {left} {on_ground}",
    "a {left} {at_left} and a {right} {at_right}",
    "{at_left} {does} a {left} and {at_right} a {right}",
    "there is a {left} next to a {right} {on_ground}",
    "{on_ground} there is a {left} beside a {right}",
    "two shapes {on_ground}: a {left} and a {right}",
    "two shapes {doing} side by side {on_ground}",
    "a picture of a {left} and a {right} {on_ground}",
    "someone put a {left} and a {right} {on_ground}",
)
OF_TWINS = (
    "two {shape}s {on_ground}, one {left_colour} and one {right_colour}",
    "a {left_colour} and a {right_colour} {shape} {on_ground}",
    "two {shape}s {doing} {on_ground}",
)


@dataclass
class ClaimedObject:
    """What a caption says of one object; None where it says nothing.

    Attributes
    ----------
    shape, colour, size, place : str or None
        In the words of `shapes_scenes`.
    """

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    place: str | None = None


@dataclass
class Claims:
    """What a caption says of a scene.

    Attributes
    ----------
    background : str or None
        In the words of `shapes_scenes`; None where the caption says nothing.
    objects : list of ClaimedObject
        In the order in which they are named.
    """

    background: str | None
    objects: list[ClaimedObject]


def write_captions(scene: Scene, random: np.random.Generator, count: int = 5) -> list[str]:
    """Write different captions of a scene, as several people might.

    No pattern of sentence serves twice before all have served.

    Parameters
    ----------
    scene : Scene
        What to describe.
    random : numpy.random.Generator
        Source of all chance.
    count : int
        Number of captions.

    Returns
    -------
    list of str
        Each with a capital, a full stop and at most `MAX_WORDS` words.
    """
    if len(scene.objects) == 1:
        templates = OF_ONE
    elif scene.objects[0].shape == scene.objects[1].shape:
        templates = OF_PAIR + OF_TWINS
    else:
        templates = OF_PAIR
    captions: list[str] = []
    for template in itertools.cycle(random.permutation(templates)):
        if len(captions) == count:
            break
        caption = template.format(**_fields(scene, random))
        caption = re.sub(r"\ba (?=[aeiou])", "an ", caption)
        if caption not in captions and len(_words(caption)) <= MAX_WORDS:
            captions.append(caption)
    return [f"{caption[0].upper()}{caption[1:]}." for caption in captions]


def parse_caption(caption: str) -> Claims:
    """Recover what a caption claims about its scene.

    Reads the captions of `write_captions`, and those of a captioner that has learned from them
    and may garble the grammar. An article begins an object, as does a second word for what has
    been named already; a shape's name makes it count. A place belongs to the object before it,
    or, where that is placed or absent, to the next one.

    Parameters
    ----------
    caption : str
        In any case, with or without punctuation.
    """
    words = _words(caption)
    background = None
    objects: list[ClaimedObject] = []
    current = ClaimedObject()
    next_place = shape_of_both = None
    for position, word in enumerate(words):
        attribute, value = _MEANINGS.get(word, (None, None))
        if word in ("a", "an", "the", "one", "two"):
            current = ClaimedObject()
            if word == "one" and shape_of_both:
                current.shape = shape_of_both
                objects.append(current)
        elif attribute == "background":
            background = value
        elif attribute == "shapes":
            shape_of_both = value
        elif attribute == "place":
            if objects and objects[-1].place is None:
                objects[-1].place = value
                if words[position - 2 : position + 2] == ["to", "the", word, "of"]:
                    next_place = _OPPOSITE.get(value)
            else:
                next_place = value
        elif attribute:
            if getattr(current, attribute) is not None:
                current = ClaimedObject()
            setattr(current, attribute, value)
            if attribute == "shape":
                current.place, next_place = next_place, None
                objects.append(current)
    return Claims(background, objects)


def check_claims(claims: Claims, scene: Scene) -> list[tuple[str, bool]]:
    """Hold what a caption claims against what was drawn.

    Which drawn object a caption means is settled in its favour: claimed and drawn objects are
    paired so that the most claims hold, all four attributes weighing the same. The pairing is
    one to one: what is claimed of an object too many is wrong. What a caption leaves unsaid
    counts neither way.

    Parameters
    ----------
    claims : Claims
        From `parse_caption`.
    scene : Scene
        What was drawn.

    Returns
    -------
    list of tuple of (str, bool)
        Of each claim, "background" or one of `ATTRIBUTES`, and whether it holds.
    """
    unsaid = [ClaimedObject()] * (len(scene.objects) - len(claims.objects))
    claimed = [*claims.objects, *unsaid]
    pairings = [
        _check_objects(claimed, dict(zip(meant, scene.objects, strict=True)))
        for meant in itertools.permutations(range(len(claimed)), len(scene.objects))
    ]
    verdicts = max(pairings, key=lambda pairing: sum(holds for _, holds in pairing))
    if claims.background is not None:
        verdicts.append(("background", claims.background == scene.background))
    return verdicts


def _check_objects(
    claimed: list[ClaimedObject], truths: dict[int, DrawnObject]
) -> list[tuple[str, bool]]:
    """Check each claimed object against the drawn one given for its number, if any."""
    return [
        (attribute, getattr(claim, attribute) == getattr(truths.get(number), attribute, None))
        for number, claim in enumerate(claimed)
        for attribute in ATTRIBUTES
        if getattr(claim, attribute) is not None
    ]


def _fields(scene: Scene, random: np.random.Generator) -> dict[str, str]:
    """Choose words for all that a template can ask for."""
    on_ground = _name("background", scene.background, random)
    doing, does = _pick(VERBS[scene.background], random)
    first, last = scene.objects[0], scene.objects[-1]
    return {
        "on_ground": on_ground,
        "ground": on_ground.split(maxsplit=1)[1],
        "doing": doing,
        "does": does,
        "thing": _describe(first, random),
        "left": _describe(first, random),
        "right": _describe(last, random),
        "shape": _name("shape", first.shape, random),
        "size": _name("size", first.size, random),
        "colour": _name("colour", first.colour, random),
        "left_colour": _name("colour", first.colour, random),
        "right_colour": _name("colour", last.colour, random),
        "at_place": _name("place", first.place, random),
        "at_left": _name("place", first.place, random),
        "at_right": _name("place", last.place, random),
    }


def _describe(thing: DrawnObject, random: np.random.Generator) -> str:
    """Name an object by its shape, nearly always its colour and mostly its size."""
    words = []
    if random.random() < 0.65:
        words.append(_name("size", thing.size, random))
    if random.random() < 0.97:
        words.append(_name("colour", thing.colour, random))
    return " ".join([*words, _name("shape", thing.shape, random)])


def _name(attribute: str, value: str, random: np.random.Generator) -> str:
    """Choose one of the names of an attribute's value."""
    return _pick(NAMES[attribute][value], random)


def _pick(options: tuple, random: np.random.Generator):
    """Choose an option: half of the time the first, else another."""
    if len(options) == 1 or random.random() < 0.5:
        return options[0]
    return options[random.integers(1, len(options))]


def _words(caption: str) -> list[str]:
    """Cut a caption into lower-case words without punctuation."""
    return re.findall(r"[a-z]+", caption.lower())


# A name's last word carries its meaning: "on a sandy beach" is told by "beach". A plural stands
# for the shape of two objects.
_MEANINGS = {
    name.split()[-1]: (attribute, value)
    for attribute, values in NAMES.items()
    for value, names in values.items()
    for name in names
} | {f"{name}s": ("shapes", shape) for shape, names in NAMES["shape"].items() for name in names}
_OPPOSITE = {"left": "right", "right": "left"}
