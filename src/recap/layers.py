"""CS231n's layers under the name that its users import; they lie in `recap.captioners.layers`."""

from recap.captioners.layers import *  # noqa: F403
from recap.captioners.layers import __all__  # noqa: F401
