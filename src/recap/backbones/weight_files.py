"""Read files of weights, however they were saved."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from recap.backbones.weights import RANDOM
from recap.core.errors import InputError

# The first weight of every backbone: what stands before it in a file is a prefix of all.
FIRST = "features.0.weight"

# Checkpoints hold the weights among other things; deeper than this none are looked for.
DEEPEST = 4


def read_weights(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Read the sets of weights that a file holds.

    Weights are found in nested dicts, such as `{"state_dict": …, "epoch": …}`, and behind
    prefixes, such as the `module.` of `torch.nn.DataParallel`.

    Parameters
    ----------
    path : Path
        A safetensors file, or what `torch.save` wrote; told by its content, not its name.

    Returns
    -------
    dict of str to dict of str to tensor
        By where they stand in the file, such as `state_dict.module.`, weights by name. Where
        nothing is called as a backbone's weights are, the outermost dict.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds other objects than weights.
    """
    content = _read(path)
    found = dict(_find(content))
    return found or {"": content if isinstance(content, dict) else {}}


def _read(path: Path) -> Any:
    try:
        if _is_safetensors(path):
            return safetensors.torch.load_file(path)
        # PyTorch refuses a path by that ending, and maps no file of its first format, which is no
        # zip archive and that of torchvision's VGG-16.
        if path.suffix != ".safetensors" and zipfile.is_zipfile(path):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        with open(path, "rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(
            f"The weights {path} do not exist: give {RANDOM} or a file, such as"
            " `recap download-file` brings."
        ) from None
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the path.") from None
    # A damaged file makes PyTorch's reader fail in many ways, IndexError among them.
    except Exception as error:
        if "GLOBAL" in str(error).upper() or "TorchScript" in str(error):
            raise InputError(
                f"{path} holds code or other objects beside weights, and is not loaded: save the"
                " weights alone, by torch.save(network.state_dict(), FILE)."
            ) from None
        raise InputError(
            f"{path} is not a whole file of weights, as safetensors or as a PyTorch state dict:"
            " download it again."
        ) from None


def _is_safetensors(path: Path) -> bool:
    """Return whether a file begins as safetensors do: a length, then a JSON header."""
    with open(path, "rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _find(content: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, dict]]:
    """Yield each set of weights, without the prefix of its names, and where it stands."""
    if not isinstance(content, dict) or depth == DEEPEST:
        return
    for key, value in content.items():
        if not isinstance(key, str):
            continue
        prefix = key.removesuffix(FIRST)
        if prefix != key and (not prefix or prefix.endswith(".")):
            yield (
                place + prefix,
                {
                    name.removeprefix(prefix): weights
                    for name, weights in content.items()
                    if isinstance(name, str) and name.startswith(prefix)
                },
            )
        yield from _find(value, f"{place}{key}.", depth + 1)


def choose_weights(
    found: dict[str, dict[str, torch.Tensor]],
    wanted: dict[str, torch.Tensor],
    backbone: str,
    path: Path,
) -> str:
    """Return where in a file the weights of a network stand.

    Parameters
    ----------
    found : dict of str to dict of str to tensor
        From `read_weights`.
    wanted : dict of str to tensor
        State dict of the network, with its names and shapes.
    backbone : str
        What to call the network.
    path : Path
        The file.

    Raises
    ------
    InputError
        If no set has all names and shapes, or more than one has.
    """
    wrong = {
        place: [
            key for key in wanted if getattr(state.get(key), "shape", None) != wanted[key].shape
        ]
        for place, state in found.items()
    }
    whole = [place for place in wrong if not wrong[place]]
    if len(whole) > 1:
        raise InputError(
            f"{path} holds weights of {backbone} more than once ({', '.join(sorted(whole))}): save"
            " those that are meant in a file of their own."
        )
    if whole:
        return whole[0]
    place = min(wrong, key=lambda place: len(wrong[place]))
    names = [name for name in found[place] if isinstance(name, str)]
    begin = f"; its names begin with {place}{names[0]}" if names else ""
    raise InputError(
        f"{path} does not hold the weights of {backbone} ({wrong[place][0]} is missing or has"
        f" another shape{begin}): name the network that they are of."
    )


def to_float(weights: torch.Tensor, name: str, path: Path) -> torch.Tensor:
    """Return weights in float32.

    Parameters
    ----------
    weights : tensor
        As they were read.
    name : str
        Their name.
    path : Path
        Their file.

    Raises
    ------
    InputError
        If they are no real numbers, one for each place, or one of them is not finite.
    """
    reason = ""
    if weights.is_meta:
        reason = "has a shape but no numbers, as on PyTorch's meta device"
    elif weights.layout != torch.strided:
        reason = "is sparse"
    elif not weights.is_floating_point():
        reason = f"is of type {str(weights.dtype).removeprefix('torch.')}, no floating-point type"
    # In float64 no sum of float32 numbers is infinite, unless one of them is.
    elif not weights.float().sum(dtype=torch.float64).isfinite():
        reason = "has numbers that are not finite"
    if reason:
        raise InputError(
            f"{path} cannot serve as weights ({name} {reason}): save or download them anew, dense"
            " and in a floating-point type."
        )
    return weights.float()
