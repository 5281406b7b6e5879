"""The words that scores count."""

import itertools
import os
import zipfile
from pathlib import Path

import pytest
from java_tokenizer import needs_java, tokenize_with_java

from recap.scoring.treebank import tokenize_for_scoring

# Each was given to the Java tool once, and came back like this.
CUT = {
    "": "",
    "  ": "",
    "...": "",
    "A man riding a wave on top of a surfboard.": "a man riding a wave on top of a surfboard",
    "TWO MEN, ONE DOG AND A FRISBEE!": "two men one dog and a frisbee",
    "A cat's bowl isn't full; the dogs' bowls aren't.": (
        "a cat 's bowl is n't full the dogs bowls are n't"
    ),
    "They've seen that it\u2019s what she'd do": "they 've seen that it 's what she 'd do",
    "People cannot see what he is gonna do": "people can not see what he is gon na do",
    "a tri-colored, five-year-old dog": "a tri-colored five-year-old dog",
    "at five o'clock there is rock 'n' roll": "at five o'clock there is rock 'n' roll",
    "the U.S. flag in front of St. Mary 's": "the u.s. flag in front of st. mary 's",
    "Number 1,000 at 10:30 for $3.50": "number 1,000 at 10:30 for $ 3.50",
    'a sign (red) says "stop"': "a sign -lrb- red -rrb- says stop",
    "a dog -- no, a wolf ... runs": "a dog no a wolf runs",
    "his and/or her bike": "his and/or her bike",
    "100% caf\u00e9": "100 % caf\u00e9",
}


@pytest.mark.parametrize(("caption", "words"), CUT.items())
def test_captions_are_cut_as_the_treebank_cuts(caption, words):
    assert tokenize_for_scoring(caption) == words.split()


def made_captions():
    """Put captions together from parts that people use."""
    subjects = ["A dog", "Two men", "the man's wife", "A five-year-old boy", "She"]
    verbs = ["isn't running", "'s sitting", "rides a bike", "can't see", 'says "hi"']
    places = ["in the U.S.", "at 10:30", "on a T-shirt", "(left)", "near St. John's"]
    ends = [".", " .", "", "!", "...", ", too."]
    return [
        "{} {} {}{}".format(*parts) for parts in itertools.product(subjects, verbs, places, ends)
    ]


@needs_java
def test_made_captions_are_cut_as_the_java_tool_cuts_them(tmp_path):
    captions = [*made_captions(), *CUT]
    expected = tokenize_with_java(captions, tmp_path)
    different = [
        (caption, words)
        for caption, words in zip(captions, expected, strict=True)
        if tokenize_for_scoring(caption) != words
    ]
    assert different == []


@needs_java
@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder with Flickr8k_text.zip"
)
def test_one_caption_of_flickr8k_is_cut_in_another_way(tmp_path):
    archive = next(Path(os.environ["RECAP_DATA"]).rglob("Flickr8k_text.zip"))
    lines = zipfile.ZipFile(archive).read("Flickr8k.token.txt").decode().splitlines()
    captions = [line.partition("\t")[2] for line in lines]
    expected = tokenize_with_java(captions, tmp_path)
    pairs = zip(captions, expected, strict=True)
    assert sum(tokenize_for_scoring(caption) != words for caption, words in pairs) == 1
