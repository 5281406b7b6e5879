"""Decoders, and their names: how a caption is chosen among all that a captioner could say."""

import re
from dataclasses import dataclass, fields

from recap.core.checks import LARGEST_SEED, bounded, require_options
from recap.core.errors import InputError

# Bounds of what can be computed: a beam in memory, and float32 numbers over the temperature.
WIDEST = 1000
COLDEST = 1e-6

# What the first part of a name tells.
IN_KIND = ("beam_width", "mbr", "sample")

# What options need to mean something.
BEAM, MBR, SAMPLE = "a `beam_width` over 1", "`mbr`", "`sample`"
NEEDED = {"length_penalty": BEAM, "mbr": BEAM, "neighbours": MBR}
NEEDED |= dict.fromkeys(["temperature", "nucleus", "seed"], SAMPLE)


@dataclass(frozen=True)
class Decoder:
    """How captions are found. The name tells all of it, such as `beam5-block_ngrams=3`.

    Attributes
    ----------
    beam_width : int
        Partial captions that go on at each step; 1 is greedy decoding.
    length_penalty : float
        A beam's captions are ranked by their log-probability over their length to this power: 0
        favours short ones, 1 ranks by the mean log-probability a word.
    block_ngrams : int
        Length in words of the phrases that a caption may not repeat; 0 blocks none.
    mbr : bool
        Take, of the captions that a beam search finds, as many as it is wide, the one that is most
        like the others (minimum Bayes risk).
    neighbours : int
        With `mbr`: as many training photos that look the most alike are asked, too: a caption that
        is like theirs gains.
    sample : bool
        Draw each word by its probability instead of taking the likeliest.
    temperature : float
        What log-probabilities are divided by before a word is drawn: below 1 likely words gain.
    nucleus : float
        Words are drawn from the likeliest that together have this probability.
    seed : int
        Seed of what is drawn.

    Raises
    ------
    InputError
        If a value is of another type or out of range, or an option belongs to another kind of
        decoder.
    """

    beam_width: int = bounded(1, minimum=1, maximum=WIDEST)
    length_penalty: float = bounded(0.8, minimum=0, maximum=10)
    block_ngrams: int = bounded(0, minimum=0)
    mbr: bool = False
    neighbours: int = bounded(0, minimum=0, maximum=1000)
    sample: bool = False
    temperature: float = bounded(1.0, minimum=COLDEST)
    nucleus: float = bounded(1.0, exclusiveMinimum=0, maximum=1)
    seed: int = bounded(0, minimum=0, maximum=LARGEST_SEED)

    def __post_init__(self) -> None:
        """Refuse numbers out of range, and options without meaning."""
        require_options(self)
        if self.sample and self.beam_width > 1:
            raise InputError("A decoder either samples or has a `beam_width`: give one of them.")
        there = {BEAM: self.beam_width > 1, MBR: self.mbr, SAMPLE: self.sample, None: True}
        for field in fields(self):
            needed = NEEDED.get(field.name)
            if not there[needed] and getattr(self, field.name) != field.default:
                raise InputError(
                    f"A decoder's `{field.name}` means something only with {needed}: give both or"
                    " neither."
                )

    @property
    def name(self) -> str:
        """The name: `greedy`, `beam3`, `mbr20` or `sample`, and each option not the default."""
        search = "mbr" if self.mbr else "beam"
        kind = "greedy" if self.beam_width == 1 else f"{search}{self.beam_width}"
        name = "sample" if self.sample else kind
        return "-".join([name, *(f"{option}={text}" for option, text in self._given())])

    @property
    def in_words(self) -> str:
        """What it is called in a sentence."""
        words = "greedy decoding"
        if self.beam_width > 1:
            words = f"beam search of width {self.beam_width}"
            words = f"minimum Bayes risk by {words}" if self.mbr else words
        elif self.sample:
            words = "sampling"
        details = [f"{option.replace('_', ' ')} {text}" for option, text in self._given()]
        return f"{words} ({', '.join(details)})" if details else words

    def require_best(self, best: int) -> None:
        """Refuse more captions an image than a beam of this width goes on with, or none.

        Raises
        ------
        InputError
            If `best` is below 1 or above the width.
        """
        if not 1 <= best <= self.beam_width:
            raise InputError(
                f"The decoder {self.name} does not have the {best} best captions: ask for 1, or"
                f" decode with a beam as wide, such as beam{max(best, 3)}."
            )

    def _given(self) -> list[tuple[str, str]]:
        """Return the options that are not the default, in text; 1 and 1.0 are the same number."""
        return [
            (field.name, str(getattr(self, field.name)).removesuffix(".0"))
            for field in fields(self)
            if field.name not in IN_KIND and getattr(self, field.name) != field.default
        ]


def read_decoder(name: str) -> Decoder:
    """Return the decoder that has a name.

    Parameters
    ----------
    name : str
        `greedy`, `sample`, or `beam` or `mbr` and a width; then options, such as
        `beam5-length_penalty=0.7-block_ngrams=3`, `mbr20-neighbours=20` or
        `sample-temperature=0.8-nucleus=0.9`.

    Raises
    ------
    InputError
        If there is no such decoder, or no such option of it.
    """
    kind, *options = re.split(r"-(?=[a-z_]+=)", name)
    match = re.fullmatch(r"greedy|sample|(?:beam|mbr)([1-9]\d{0,9})", kind)
    if match is None:
        raise InputError(
            f"There is no decoder {name!r}: give greedy, beam3 or mbr20 and the like, or sample;"
            " options follow as in beam5-length_penalty=0.7."
        )
    known = {field.name: field.type for field in fields(Decoder) if field.name not in IN_KIND}
    given = {}
    for option in options:
        key, _, value = option.partition("=")
        if key not in known:
            raise InputError(
                f"The decoder {name!r} has an unknown option `{key}`; known are {', '.join(known)}."
            )
        if key in given:
            raise InputError(f"The decoder {name!r} gives `{key}` twice: give it once.")
        try:
            given[key] = known[key](value)
        except ValueError:
            raise InputError(
                f"The decoder {name!r} gives {value!r} as `{key}`, which must be a number."
            ) from None
    return Decoder(
        beam_width=int(match[1] or 1),
        mbr=kind.startswith("mbr"),
        sample=kind == "sample",
        **given,
    )


def decoder_order(name: str) -> tuple[int, str]:
    """Return the key by which decoders are sorted: the narrowest beam first."""
    return read_decoder(name).beam_width, name
