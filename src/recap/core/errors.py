"""The one exception that means "the user can mend this", and what an operating system refuses."""

import errno

# What a write to a full disk, or beyond a quota or a limit, fails with.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class InputError(Exception):
    """Bad input, told in one sentence that names the file or value and the remedy.

    The command line prints the sentence without a traceback and exits with status 1.
    """
