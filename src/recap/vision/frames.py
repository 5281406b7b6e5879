"""An image on its way from step to step, as pictures and as an animation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from recap.core.files import atomic_path
from recap.vision.pictures import save_picture

# Frames of an animation at most, beside the last.
MOST_FRAMES = 40

# Milliseconds that a frame is shown, and the last one.
SHOWN, LAST_SHOWN = 100, 2000


class Frames(AbstractContextManager):
    """Keeps an image at some of its steps; a context manager that ends with the animation.

    Parameters
    ----------
    folder : Path or None
        Where to write `NAME-STEP.png` and the animation `NAME.webp`; None to keep nothing.
    name : str
        What the files are called.
    steps : int
        How many steps there will be; the pictures are spread over them.
    deprocess : callable
        Turns an image of shape (1, 3, height, width) into pixels (1, height, width, 3), uint8.
    """

    def __init__(
        self,
        folder: Path | None,
        name: str,
        steps: int,
        deprocess: Callable[[torch.Tensor], torch.Tensor],
    ):
        self.folder = folder
        self.name = name
        self.steps = steps
        self.deprocess = deprocess
        self.step = 0
        self._pixels: list[np.ndarray] = []

    def keep(self, image: torch.Tensor, *, last: bool = False) -> None:
        """Keep the image, if it is this step's turn.

        Parameters
        ----------
        image : tensor of shape (1, 3, height, width)
            As it is before the next step.
        last : bool
            Whether there is none: it is kept in any case.
        """
        if self.folder and (last or self.step % -(-self.steps // MOST_FRAMES) == 0):
            pixels = self.deprocess(image.detach())[0].cpu().numpy()
            self._pixels.append(pixels)
            digits = len(str(self.steps))
            save_picture(self.folder / f"{self.name}-{self.step:0{digits}}.png", pixels)
        self.step += 1

    def __exit__(self, *exception: object) -> None:
        """Write the animation, unless the steps came to an error."""
        if self.folder is None or not self._pixels or exception[0]:
            return
        first, *others = map(Image.fromarray, self._pixels)
        with atomic_path(self.folder / f"{self.name}.webp") as scratch:
            first.save(
                scratch,
                format="WEBP",
                save_all=True,
                append_images=others,
                duration=[SHOWN] * len(others) + [LAST_SHOWN],
                loop=0,
                quality=90,
            )
