"""Turn the Python 2 of the course's first notebooks into Python 3."""

import io
import tokenize

NAMES = {"iteritems": "items", "iterkeys": "keys", "itervalues": "values", "xrange": "range"}

END_OF_STATEMENT = {tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER}
BETWEEN_STATEMENTS = END_OF_STATEMENT | {tokenize.NL, tokenize.INDENT, tokenize.DEDENT}


def to_python3(source: str) -> str:
    """Return code with `print` as a function, and dicts and ranges under their names of Python 3.

    Parameters
    ----------
    source : str
        A cell of a notebook. Code of Python 3 stays as it is, and so does what cannot be read.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return source
    changes = []  # rows, columns from and to, and what stands there then
    depth, is_start, is_printing, end = 0, True, False, (1, 0)
    for token, following in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        text = token.string
        if is_printing and (token.type in END_OF_STATEMENT or text == ";"):
            changes.append((*end, end[1], ")"))
            is_printing = False
        if token.type == tokenize.NAME and text in NAMES:
            changes.append((*token.start, token.end[1], NAMES[text]))
        elif is_start and text == "print" and following.string not in ("(", "="):
            alone = following.type in END_OF_STATEMENT or following.string == ";"
            changes.append((*token.end, token.end[1] if alone else following.start[1], "("))
            is_printing = True
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        is_start = token.type in BETWEEN_STATEMENTS or (text in (":", ";") and depth == 0)
        end = token.end
    lines = source.splitlines(keepends=True)
    for row, first, last, text in reversed(changes):
        lines[row - 1] = lines[row - 1][:first] + text + lines[row - 1][last:]
    return "".join(lines)
