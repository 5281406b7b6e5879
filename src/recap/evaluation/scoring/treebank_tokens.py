r"""The kinds of tokens that captions are cut into.

A kind is a regular expression whose first group is the token; what follows the group must follow
the token. At each position of a text the kind with the longest match is taken, what follows
included; of equally long ones, the first.
"""

import re

# Beyond ASCII, what is no letter or digit and yet is read: signs that are tokens of their own, and
# marks that are written on letters. All else separates words.
SIGNS = (
    "\u00a1-\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u037e\u0387\u0589\u05be\u05c0"
    "\u05c3\u05c6\u05f3\u05f4\u0606-\u060c\u061b\u061e\u061f\u066a\u066d\u06d4\u0700-\u070d"
    "\u07f6-\u07f8\u0964\u0965\u0e3f\u0e4f\u1fbd\u2013-\u2023\u2026\u2030-\u203b\u203e-\u2042\u2044"
    "\u2070-\u20a0\u20a4\u20ac\u2100-\u214f\u2153-\u215e\u2190-\u2bff\u3001\u3002\u3012\u30fb"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0\uffe1\uffe5\uffe6"
)
MARKS = (
    "\u02c2-\u0379\u0384\u0385\u03f6\u0483-\u0487\u055a-\u055f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4"
    "\u05c5\u05c7\u0615-\u061a\u064b-\u065e\u0670\u06d6-\u06fe\u070f-\u07f3\u0900-\u0903"
    "\u093c-\u094e\u0951-\u0955\u0962\u0963\u0981-\u09e3\u0a01-\u0a4f\u0a81-\u0acf\u0b82-\u0bcd"
    "\u0c01-\u0c03\u0c3e-\u0c56\u0d3e-\u0d48\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ecd"
)
HYPHENS = "\u058a\u2010\u2011"
IN_NUMBERS = "\u066b\u066c"

# Numbers that Python takes for letters, and that stand alone.
NO_LETTERS = (
    "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2153-\u215e\u2460-\u249b"
    "\u24ea-\u24ff\u2776-\u2793"
)

READ = re.compile(rf"[ -~{SIGNS}{MARKS}{HYPHENS}{IN_NUMBERS}]|[^\W_]")
# Characters of Windows' western code page that came through as control characters.
WESTERN = dict(
    zip("\x80\x91\x92\x93\x94\x96\x97", "\u20ac\u2018\u2019\u201c\u201d\u2013\u2014", strict=True)
)


# What separates words and is no space: control characters, emoji, letters that are not known. An
# address or markup goes on over it.
UNREADABLE = "\0"
# A space of the width of a letter, a figure and the like, over which only an address goes on.
WIDE_SPACE = "\v"
# Spaces that may stand within a token, and those that may not.
SPACES = {
    "\u00a0": " ",
    **dict.fromkeys(map(chr, [*range(0x2000, 0x200B), 0x3000]), WIDE_SPACE),
    **dict.fromkeys("\t\n\v\f\r\x85\u2028\u2029", "\t"),
}


class _Readable(dict):
    """What each character, by its number, is read as."""

    def __missing__(self, code: int) -> str:
        character = WESTERN.get(chr(code), chr(code))
        # No letter beyond the first 65,536 is known, nor is any emoji.
        known = READ.match(character) and code < 1 << 16
        self[code] = character if known else SPACES.get(character, UNREADABLE)
        return self[code]


# A letter, and left out of all tokens but addresses and markup.
SOFT_HYPHEN = "\u00ad"
readable = _Readable({ord(SOFT_HYPHEN): SOFT_HYPHEN})

# Abbreviations that keep their period, whatever follows.
ABBREVIATIONS = """
    adj adm adv assn assoc asst atty attys ave bldg blvd brig bros capt cf cmdr co col comdr corp
    cpl dept dr drs elec ens esq est etc ext ft gen gov govs hon inc ind insp intl jr lieut lt ltd
    maj messrs mlle mme mr mrs ms msgr mt natl ph pfc plc pres prof pvt rd rep reps rev rt sen sens
    sgt sq sr st ste supt sys tel treas univ vs
    bhd cie cos det invt mfg mtg ppte ppty pte ptes pty ptys seq sfc spc
    mon tue tues wed thu thurs fri
    jan feb mar apr jun jul aug sep sept oct nov dec
    ala ariz calif colo conn ct dak fla ga ind kan kans ky md mich minn mo mont neb nev okla penn
    tenn va vt wis wisc wyo al alex jos wm
""".split()  # noqa: SIM905
# Those that are other words without a capital letter.
WITH_CAPITAL = "Ark Az Del Ill La Mass Miss Ore Pa Tex Wash".split()  # noqa: SIM905
# Those that keep it before a number.
BEFORE_NUMBERS = "art ca fig figs no nos op pp prop".split()  # noqa: SIM905

# Words with which a sentence begins, so that the letter before them ended one.
STARTERS = """
    a about according after an as at but he her here however if in it last many more now once one
    other our she since so some such that the their then there these they this we what when while
    yet you mr\\. ms\\.
""".split()  # noqa: SIM905

# Two words written as one.
MERGED = {
    "cannot": "can not",
    "gonna": "gon na",
    "gotta": "got ta",
    "wanna": "wan na",
    "lemme": "lem me",
    "gimme": "gim me",
}

LETTER = rf"(?:[^\W\d_{NO_LETTERS}]|[{MARKS}{SOFT_HYPHEN}])"
SIGN_OF_WORDS = rf"(?:[^\W_{NO_LETTERS}]|[{MARKS}{SOFT_HYPHEN}])"
WORD = f"{SIGN_OF_WORDS}++"
# Words with nothing but a mark between them: grass.Another
RUN_TOGETHER = rf"{LETTER}{SIGN_OF_WORDS}*+(?:[.!?]{LETTER}{SIGN_OF_WORDS}*+)+"
APOSTROPHE = "['\u2019]"
QUOTE = "['\u2019`\u2018\u201b]"
IN_ADDRESSES = r'[^ \t"<>|()]'
ADDRESS_END = r'[^ \t"<>|.!?(){},-]'
ATTRIBUTE = r"""[ ]+[a-z][\w.:-]*(?:[ ]*=[ ]*(?:"[^"\t]*"|'[^'\t]*'))?"""
MARKUP = rf"(?:</?[a-z][\w.:-]*(?:{ATTRIBUTE})*[ ]*/?>|<!--[^>\t]*-->|<[!?][a-z][^>\t]*>)"
LOOKS = "[-^x=~<>']"  # the eyes of a face that is not turned
ENDS = r"(?![A-Za-z])"

PLAIN_QUOTES = str.maketrans("\u2019\u2018\u201b", "'``")
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
WRITTEN = BRACKETS | {
    "`": "`",
    "\u2018": "`",
    "\u201b": "`",
    "\u2039": "`",
    "\u2019": "'",
    "\u203a": "'",
    "\u201c": "``",
    "\u00ab": "``",
    '"': "''",
    "\u201d": "''",
    "\u00bb": "''",
    "\u2013": "--",
    "\u2014": "--",
    "\u2015": "--",
    "\u2026": "...",
    "\u00a3": "#",
    "\u00a4": "$",
    "\u20a0": "$",
    "\u20ac": "$",
    "\u00a2": "cents",
    "\u00bc": "1/4",
    "\u00bd": "1/2",
    "\u00be": "3/4",
    "\u2153": "1/3",
    "\u2154": "2/3",
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
}
CURLED = "`\u2018\u201b\u2039\u2019\u203a\u201c\u00ab\u201d\u00bb"


def _as_written(token: str) -> str:
    return token


def _with_brackets(token: str) -> str:
    return token.replace("(", "-lrb-").replace(")", "-rrb-")


def _of_one_piece(token: str) -> str:
    return _with_brackets(re.sub(r"\s", "\u00a0", token))


def _kind(expression: str, write=None):
    return re.compile(expression, re.IGNORECASE), write


def _cased(expression: str, write=None):
    return re.compile(expression), write


KINDS = [
    # Words, and what ends them: is + n't, dog + 's.
    _kind(f"([a-z]*[a-mo-z])n{QUOTE}t"),
    _kind(rf"({WORD}(?:[-_]{WORD})*|{RUN_TOGETHER}|(?:[a-z]\.)+){APOSTROPHE}(?:[sdm]|ll|re|ve)"),
    _kind(f"(n{QUOTE}t)", lambda token: token.translate(PLAIN_QUOTES)),
    _kind(rf"('(?:[sdm]|ll|re|ve)){ENDS}"),
    _kind("(\u2019(?:[sdm]|ll|re|ve))", lambda token: token.translate(PLAIN_QUOTES)),
    _kind("('t)(?:is|was)"),
    _kind(rf"({APOSTROPHE}(?:em|till?|cause|n{APOSTROPHE})|'n(?=\s|$)|\u2019n)"),
    _kind(rf"({APOSTROPHE}\d\d(?:s(?!t)|(?=\s|$)))"),
    _kind(rf"((?:[djly]|ol){APOSTROPHE})"),
    _kind(rf"([dlo]{QUOTE}{SIGN_OF_WORDS}{{2,}})"),
    _cased(rf"([A-HJ-XZn]{QUOTE}{LETTER}{{2,}})"),
    _cased(rf"([A-Za-z]+[AEIOUYaeiouy]{QUOTE}[A-Zaeiou][A-Za-z]*)"),
    _kind(rf"(c{APOSTROPHE}(?:est|mon)|e{APOSTROPHE}er|s{APOSTROPHE}mores){ENDS}"),
    _kind(rf"(cap{APOSTROPHE}n|nat{APOSTROPHE}l|anti-){ENDS}"),
    _kind(rf"((?:{'|'.join(MERGED)}))", lambda token: MERGED[token.lower()]),
    _kind(f"({WORD})"),
    # Abbreviations.
    _kind(rf"((?:{'|'.join(ABBREVIATIONS)})\.)"),
    _cased(rf"((?:{'|'.join(WITH_CAPITAL + [word.upper() for word in WITH_CAPITAL])})\.)"),
    _kind(rf"((?:{'|'.join(BEFORE_NUMBERS)})\.)\s?\d"),
    _kind(r"((?:[a-z]\.){2,}|ph\.d\.)"),
    _cased(
        rf"([A-Za-z]\.)(?!\s+(?:(?i:{MARKUP})|"
        + "|".join(f"{word[0].upper()}(?i:{word[1:]})" for word in STARTERS)
        + r")\s)"
    ),
    _kind(rf"((?:{RUN_TOGETHER}|{WORD}(?:[-_]{WORD})*)\.)[,;:]"),
    # Words of several parts.
    _kind(
        rf"((?:(?:[dlo]|(?-i:[A-HJ-XZ])){APOSTROPHE}{LETTER})?{WORD}(?:[-_{HYPHENS}]{WORD})*[-_{HYPHENS}]"
        rf"(?:[dlno]{APOSTROPHE}{LETTER}{WORD}|(?:[a-z]\.){{2,}}|{WORD}))"
    ),
    _kind(r"([a-z0-9][a-z0-9.,]*(?:-(?:(?:[a-z]\.){2,}|[a-z0-9]+))+)"),
    _kind(r"(\d+-\d+/\d+)"),
    _kind(r"([a-z0-9]+(?:-[a-z][a-z0-9]*)*(?:/[a-z0-9]+(?:-[a-z][a-z0-9]*)*)+)"),
    _kind(f"({RUN_TOGETHER})"),
    _cased(r"([A-Z]+(?:(?:[&+]|&amp;)[A-Z]+)+)", lambda token: token.replace("&amp;", "&")),
    _cased(r"([A-Z]+\$)"),
    _kind(r"(c\+\+|[cf]#)"),
    # Numbers.
    _kind(rf"([-+]?\d*(?:[.,:\u2044{IN_NUMBERS}]\d+)+|[-+]?\d+)"),
    _kind(r"(\d{1,4} \d{1,4}[/\u2044]\d{1,4})", _of_one_piece),
    _kind(
        r"(\(\d{2,3}\) ?\d{3,4}[- .]?\d{3,5}|\+?\d{2,4}[- ]\d{3,4}[- ]\d{3,5}"
        r"|\+\d{2,4} \d{2,4} \d{3,4} \d{3,5})",
        _of_one_piece,
    ),
    # Addresses.
    _kind(rf"(https?://{IN_ADDRESSES}+{ADDRESS_END})", _as_written),
    _cased(
        rf"([*~{SIGNS}]*(?:www\.(?:[\w-]+\.)+[a-z]{{2,4}}"
        rf"|(?:{LETTER}{SIGN_OF_WORDS}*\.)+(?:com|net|org|edu))(?:/{IN_ADDRESSES}+{ADDRESS_END})?)"
    ),
    _kind(rf'(<?[a-z0-9]{IN_ADDRESSES}*@(?:[^ \t"<>|().]+\.)*[^ \t"<>|().]+>?)', _as_written),
    _kind(r"(@[a-z_][a-z0-9_]*)"),
    _kind(rf"(#{LETTER}+)"),
    # Markup.
    _kind(f"({MARKUP})", _of_one_piece),
    _kind(r"(&(?:amp|lt|gt);)", lambda token: WRITTEN[token.lower()]),
    _kind(r"(&(?:quot|apos|nbsp|mdash|ndash);)", lambda token: "--"),
    _kind(r"(&(?:#\d+|[aeiou](?:acute|grave|uml));)"),
    # Faces.
    _kind(r"([<>]?[:;=][-o*']?[()dp\\{@|\[\]])(?![a-z0-9])", _with_brackets),
    _cased(r"([<>]?[:;=][-o*']?O)(?![A-Za-z0-9])"),
    _kind(rf"({LOOKS}_{LOOKS}|\({LOOKS}_?{LOOKS}\))", _with_brackets),
    # Signs.
    _kind(r"([!?]{2,}|\\\*|\*+|_+|#+|@+|<<|>>|-{5,})"),
    _kind(r"('{2}|`{2}|-{2,4}|\.{3,5})", lambda token: "--"),
    _kind("([\u00b2\u00b3\u00b9\u2070\u2074-\u208e]+|\u201a+|\u201e+|\u201f+)"),
    _kind(f"([{''.join(CURLED)}]{{1,2}})", lambda token: "".join(WRITTEN[sign] for sign in token)),
    _kind(r"(\S)", lambda token: WRITTEN.get(token, token)),
]
