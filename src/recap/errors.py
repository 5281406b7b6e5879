"""The one exception that means "the user can mend this"."""


class InputError(Exception):
    """Bad input, told in one sentence that names the file or value and the remedy.

    The command line prints the sentence without a traceback and exits with status 1.
    """
