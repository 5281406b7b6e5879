"""The words that scores count are those of the Java tool."""

import os
import zipfile
from pathlib import Path

import pytest
from java_tokenizer import needs_java, tokenize_with_java
from nasty_captions import nasty_captions

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
    'the letter " P. "': "the letter p.",
    "on line B. The dog": "on line b the dog",
    "a dog.A cat": "a dog.a cat",
    "A.": "a.",
    "two dogs on grass, etc.": "two dogs on grass etc.",
    "Oh no!! \U0001f600 :)": "oh no !! :-rrb-",
    "\u00a35, \u20ac5 and 5\u00a2": "# 5 $ 5 and 5 cents",
}

# What remains: the caption, the Java tool's words, and ours. docs/scores.md tells them too.
DIFFERENT = {
    "a http://a.com/b.jpg!\U0001f44d": (
        ["a", "http://a.com/b.jpg!\U0001f44d"],
        ["a", "http://a.com/b.jpg"],
    ),
    "2X4.DOG.JPG": (["2x4.dog.jpg"], ["2x4", "dog.jpg"]),
    "&www.flickr.com": (["&www.flickr.com"], ["&", "www.flickr.com"]),
    "etc.x": (["etc.", "x"], ["etc.x"]),
    "Inc.n't": (["inc.", "n't"], ["inc.n", "t"]),
    "J.  <b>": (["j", "<b>"], ["j.", "<b>"]),
    "\u00ad.dog": ([".dog"], ["dog"]),
    "4x4-\u0939\u093f": (["4x4-\u0939", "\u093f"], ["4x4-\u0939\u093f"]),
    "\u1c90 \ua7c2": ([], ["\u10d0", "\ua7c3"]),
}


@pytest.mark.parametrize(("caption", "words"), CUT.items())
def test_captions_are_cut_as_the_treebank_cuts(caption, words):
    assert tokenize_for_scoring(caption) == words.split()


def test_a_number_of_two_parts_is_one_word():
    assert tokenize_for_scoring("a 1 1/2 inch nail") == ["a", "1\u00a01/2", "inch", "nail"]


def different(captions, folder):
    """Return the captions that the Java tool cuts otherwise, with its words and ours."""
    ours = [tokenize_for_scoring(caption) for caption in captions]
    java = tokenize_with_java(captions, folder)
    triples = zip(captions, java, ours, strict=True)
    return {caption: (theirs, words) for caption, theirs, words in triples if theirs != words}


@needs_java
def test_the_java_tool_cuts_these_captions_so(tmp_path):
    words = tokenize_with_java(list(CUT), tmp_path)
    assert dict(zip(CUT, words, strict=True)) == {
        caption: text.split() for caption, text in CUT.items()
    }


@needs_java
def test_nasty_captions_are_cut_as_the_java_tool_cuts_them(tmp_path):
    captions = nasty_captions(3000, seed=0)
    found = different(captions, tmp_path)
    assert len(found) <= 3, found  # one in a thousand, of the kinds below


@needs_java
def test_the_differences_that_are_told_are_there(tmp_path):
    assert different(list(DIFFERENT), tmp_path) == DIFFERENT


@pytest.mark.parametrize(
    "piece", ["a", "a.", "a-", "a,", "'", "<a ", "@", "1 ", "(", "\u00e9'", "a'"]
)
def test_long_captions_take_no_longer_than_their_length(piece):
    """A pattern that tries over and over would take minutes, and the test run with it."""
    assert tokenize_for_scoring(piece * 2000) is not None


@needs_java
@pytest.mark.skipif(
    "RECAP_DATA" not in os.environ, reason="RECAP_DATA names no folder with Flickr8k_text.zip"
)
def test_every_caption_of_flickr8k_is_cut_as_the_java_tool_cuts_it(tmp_path):
    archive = next(Path(os.environ["RECAP_DATA"]).rglob("Flickr8k_text.zip"))
    lines = zipfile.ZipFile(archive).read("Flickr8k.token.txt").decode().splitlines()
    captions = [line.partition("\t")[2] for line in lines]
    assert len(captions) == 40455
    assert different(captions, tmp_path) == {}
