"""CS231n's update rules; they lie in `recap.captioners.optim`.

`adam` is that of the course's third assignment, which `CaptioningSolver` takes. What students write
in the second assignment, the paper's algorithm, is `adam_bias_corrected`; a solver takes it by that
name.
"""

from recap.captioners.optim import adam as adam_bias_corrected
from recap.captioners.optim import course_adam as adam
from recap.captioners.optim import rmsprop, sgd, sgd_momentum

__all__ = ["adam", "adam_bias_corrected", "rmsprop", "sgd", "sgd_momentum"]
