"""Which object of a drawn scene a word names."""

from collections.abc import Sequence

from recap.datasets.shapes.captions import NAMES
from recap.datasets.shapes.scenes import DrawnObject, Scene

# What a word says of an object; where the object stands is not within it.
MEANINGS = {
    name: (attribute, value)
    for attribute in ("shape", "colour")
    for value, names in NAMES[attribute].items()
    for name in names
}


def named_objects(words: Sequence[str], scene: Scene) -> dict[int, DrawnObject]:
    """Return the object that each word names by its shape or its colour.

    Parameters
    ----------
    words : sequence of str
        Of a caption, in lower case.
    scene : Scene
        What the photo shows.

    Returns
    -------
    dict of int to DrawnObject
        By the place of the word. Words are left out that fit no object, or both.
    """
    found = {}
    for place, word in enumerate(words):
        attribute, value = MEANINGS.get(word, ("", ""))
        fitting = [thing for thing in scene.objects if getattr(thing, attribute, None) == value]
        if len(fitting) == 1:
            found[place] = fitting[0]
    return found
