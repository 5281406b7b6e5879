"""Decode photos ahead of the network, in processes of their own."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.multiprocessing.reductions import shared_cache
from torch.utils.data import DataLoader, Dataset

from recap.backbones.preprocessing import Preprocessing
from recap.core.images import ImageStore, decode_image
from recap.core.photo_store import BrokenImageError
from recap.core.workers import hold_ctrl_c, keep_socket_names_short
from recap.features.files import PHOTO

# Photos that one process decodes together.
UNIT = 16

# Units that each process holds ready.
AHEAD = 2

SHARED_MEMORY = Path("/dev/shm")


class _Units(Dataset):
    """Photos cut to the network's size, by the number of their unit."""

    def __init__(self, sources: Sequence[Path], names: Sequence[str], preprocessing: Preprocessing):
        self.sources = sources
        self.names = names
        self.preprocessing = preprocessing
        self._store: ImageStore | None = None

    def __len__(self) -> int:
        return -(-len(self.names) // UNIT)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, dict[int, str], bytes]:
        """Return pixels, what is wrong with which of them, and what was read, as bytes."""
        if number >= len(self):
            raise IndexError
        if self._store is None:
            # Each process opens the archive for itself: a shared file has one position.
            self._store = ImageStore(*self.sources)
        side = self.preprocessing.crop
        pixels = np.zeros((UNIT, side, side, 3), dtype=np.uint8)
        broken = {}
        read = np.zeros(UNIT, dtype=PHOTO)
        for place, name in enumerate(self.names[number * UNIT : (number + 1) * UNIT]):
            try:
                data = self._store.read_bytes(name)
                digest = hashlib.sha256(data).digest()
                read[place] = np.frombuffer(digest, np.uint8), len(data)
                image = decode_image(data, f"{name} in {self._store.source}")
                pixels[place] = self.preprocessing.cut(image)
            except BrokenImageError as error:
                broken[place] = str(error)
        return torch.from_numpy(pixels), broken, read.tobytes()


def read_units(
    sources: Sequence[Path],
    names: Sequence[str],
    preprocessing: Preprocessing,
    device: torch.device,
    processes: int,
) -> Iterator[tuple[torch.Tensor, dict[int, str], np.ndarray]]:
    """Decode photos in order, a unit at a time, in processes that start now.

    Parameters
    ----------
    sources : sequence of Path
        Zip archives or folders.
    names : sequence of str
        The `file_name` of each photo.
    preprocessing : Preprocessing
        How to cut them.
    device : torch.device
        Where the pixels are used. For CUDA they lie in pinned memory. Where the processor
        computes too, decoding has a lower priority, because each thread of a network waits for
        the slowest.
    processes : int
        Processes that decode; fewer where shared memory is small, as in a container.

    Returns
    -------
    iterator of tuple of (tensor, dict of str, array)
        Of each unit: the pixels in RGB, (UNIT, crop, crop, 3), uint8, zeros for a photo that is
        broken and behind the last; by place in the unit, why a photo cannot be read; and what was
        read of each, (UNIT,) of type `PHOTO`.
    """
    units = _Units(sources, names, preprocessing)
    if SHARED_MEMORY.is_dir():
        unit_bytes = UNIT * 3 * preprocessing.crop**2
        free = shutil.disk_usage(SHARED_MEMORY).free
        processes = min(processes, free // ((AHEAD + 1) * unit_bytes))
    processes = min(processes, len(units))
    if processes:
        keep_socket_names_short()
    loader = DataLoader(
        units,
        batch_size=None,
        num_workers=processes,
        prefetch_factor=AHEAD if processes else None,
        pin_memory=device.type == "cuda",
        worker_init_fn=partial(_set_priority, 5 if device.type == "cpu" else 0),
    )
    with hold_ctrl_c():
        return _forgotten(iter(loader))


def _forgotten(units: Iterator) -> Iterator:
    """Yield units, and have PyTorch forget the shared memory of those that are done with.

    It notes each piece, and clears up only after more than a hundred. Notes that lie between the
    arrays of a network's batches keep the next batch's from the place of the last one's: memory
    grew by ten megabytes a batch.
    """
    for pixels, broken, read in units:
        yield pixels, broken, np.frombuffer(read, dtype=PHOTO)
        del pixels
        shared_cache.free_dead_references()


def _set_priority(nice: int, worker: int) -> None:
    os.nice(nice)
    # Decoding needs none of PyTorch's threads.
    torch.set_num_threads(1)
