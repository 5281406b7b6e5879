"""CS231n's update rules under the name that its users import; see `recap.captioners.optim`."""

from recap.captioners.optim import *  # noqa: F403
