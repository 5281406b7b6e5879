"""Show which pixels made a captioner say a word."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from recap.captioners.folder import load_captioner
from recap.core.checks import require, require_seed
from recap.core.devices import Device, choose_device, use_threads
from recap.core.errors import InputError
from recap.core.files import atomic_path, check_different
from recap.core.images import ImageStore
from recap.core.json_files import read_json, write_json
from recap.core.outputs import OutputFile
from recap.core.progress import progress
from recap.datasets.annotations import read_annotations
from recap.datasets.shapes.draw import read_scenes
from recap.datasets.shapes.named_objects import named_objects
from recap.datasets.shapes.pictures import mask_of
from recap.datasets.shapes.scenes import DrawnObject, Scene
from recap.evaluation.attention import in_levels
from recap.evaluation.origin import read_origin
from recap.evaluation.word_maps import SIDE, Explainer, WordMaps
from recap.features.pca import read_pca
from recap.vision.pointing import baseline_maps, pointing


def explain_captions(
    captions: Path,
    annotations: Path,
    *,
    images: list[Path],
    model: Path,
    pca: Path,
    output: OutputFile,
    maps_output: OutputFile,
    weights: str = "random",
    scenes: Path | None = None,
    photos: int = 24,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
) -> None:
    """Show which pixels of photos made a captioner say each word of its captions.

    Each word has a map of 28 x 28 cells: the gradient of its log-probability, the words before it
    given, with respect to the pixels, times how far these are from the photo's mean colour; its
    absolute values add up to the word's `nats`. A captioner with attention has a map of its own
    weights besides. Of drawn scenes the maps are held against the object that a word names: words
    for a shape or a colour that exactly one object has.

    Parameters
    ----------
    captions : Path
        The captions' words, `{decoder}.words.json`, as `generate_captions` wrote them.
    annotations : Path
        COCO caption file that names the photos' files.
    images : list of Path
        Zip archives or folders of photos.
    model : Path
        Folder of the captioner.
    pca : Path
        What `fit_pca` wrote in the captioner's study.
    output : Path
        JSON file to write: `seen`, the share of a photo's shorter side that the square about its
        middle has which the network saw, 0 for the whole photo; `photos`, each with `image_id`,
        `file_name`, `words`, `log_probabilities` and `nats` (of each word, how much its map has in
        all), and for drawn scenes `named`: for each such word its place `word`, and by map
        `pointing` (1 where the map is highest within the object, else 0) and `share` (of the map,
        within the object); `summary`, the means of both over the photos, and how many `words` and
        `photos` they are of; null where nothing is known of the photos. Maps are `gradient` and
        `attention`, held against `contrast`, the distance to the mean colour without the gradient,
        `centre`, a Gaussian, and `random`, the object's share of the photo.
    maps_output : Path
        NumPy archive to write, with the maps of all words in the order of `photos`: `gradient`
        (W, 28, 28), and `attention` (W, side, side) of regions, uint8, 255 where a map is highest.
    weights : str
        `random`, or the file of weights of the backbone that made the features.
    scenes : Path, optional
        The archive of annotations that `draw_shapes` made, if the photos are its val split.
    photos : int
        How many photos to explain, drawn among those that have a caption.
    seed : int
        Of what is drawn; the same photos for all captioners.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    threads : int, optional
        Threads to use; all by default.

    Raises
    ------
    InputError
        If a file is missing or damaged, the files do not belong together, or a photo cannot be
        read.
    """
    require(photos >= 1, "photos", "at least 1", photos)
    require_seed(seed)
    check_different(output, maps_output)
    use_threads(threads)
    captioner = load_captioner(model)
    entries = _read_words(captions, captioner.idx_to_word)
    names = {image["id"]: image["file_name"] for image in read_annotations(annotations).images}
    for entry in entries:
        if entry["image_id"] not in names:
            raise InputError(
                f"{captions} has a caption of image {entry['image_id']}, which {annotations} does"
                " not list: give the annotations that the captions were made for."
            )
    order = np.random.default_rng(seed).permutation(len(entries))
    chosen = [entries[number] for number in sorted(order[:photos])]
    drawn = {} if scenes is None else read_scenes(scenes, "val")
    origin = read_origin(pca, weights)
    preprocessing = origin.backbone.preprocessing
    cut = preprocessing.cut
    explainer = Explainer(origin, read_pca(pca), captioner, choose_device(device))
    described, found = [], []
    with (
        ImageStore(*images) as store,
        progress(
            total=sum(len(entry["words"]) for entry in chosen), desc="explain", unit="word"
        ) as bar,
    ):
        for entry in chosen:
            name, words = names[entry["image_id"]], entry["words"]
            maps = explainer.maps(cut(store.read(name)), words)
            found.append(maps)
            told = {
                "image_id": entry["image_id"],
                "file_name": name,
                "words": words,
                "log_probabilities": [round(float(value), 4) for value in maps.log_probabilities],
                "nats": [round(float(map_.sum()), 4) for map_ in maps.gradient],
            }
            if entry["image_id"] in drawn:
                told["named"] = _measure(maps, words, drawn[entry["image_id"]], cut)
            described.append(told)
            bar.update(len(words))
    arrays = {"gradient": np.concatenate([in_levels(maps.gradient) for maps in found])}
    if captioner.recipe.attention:
        arrays["attention"] = np.concatenate([in_levels(maps.attention) for maps in found])
    with atomic_path(maps_output, record_digest=True) as scratch, scratch.open("wb") as file:
        np.savez_compressed(file, **arrays)
    summary = _summarize(described)
    content = {
        "seen": preprocessing.seen,
        "seed": seed,
        "photos": described,
        "summary": summary,
    }
    write_json(output, content, record_digest=True, ensure_ascii=False, allow_nan=False)
    print(f"{len(arrays['gradient'])} words of {len(described)} photos explained: {output}")
    for measure in ("pointing", "share") if summary else ():
        values = ", ".join(f"{name} {100 * mean:.0f}%" for name, mean in summary[measure].items())
        print(f"{measure}, {summary['words']} words that name an object: {values}")


def _read_words(path: Path, vocabulary: Sequence[str]) -> list[dict[str, Any]]:
    """Return the captions in a file of words; refuse another captioner's."""
    entries = read_json(path)
    known = set(vocabulary)
    try:
        strange = {word for entry in entries for word in entry["words"]} - known
        whole = all(entry["words"] and isinstance(entry["image_id"], int) for entry in entries)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not hold the words of captions ({error!r}): give a file .words.json of"
            " generate-captions."
        ) from None
    if strange:
        raise InputError(
            f"{path} has the word {min(strange)!r}, which the captioner does not know: give"
            " captions of this captioner."
        )
    if not entries or not whole:
        raise InputError(f"{path} has no caption, or an empty one: generate the captions again.")
    return entries


def _measure(
    maps: WordMaps, words: list[str], scene: Scene, cut: Callable[[Image.Image], np.ndarray]
) -> list[dict[str, Any]]:
    """Hold the maps of words that name an object against where it is."""
    centre = baseline_maps(SIDE, SIDE, 0)["centre"]
    measured = []
    for place, thing in named_objects(words, scene).items():
        mask = mask_in_cells(thing, cut)
        compared = {"gradient": maps.gradient[place]}
        if maps.attention is not None:
            compared["attention"] = enlarge(maps.attention[place])
        compared |= {"contrast": maps.contrast, "centre": centre}
        random = float(mask.mean())
        measured.append(
            {
                "word": place,
                "pointing": {name: pointing(map_, mask) for name, map_ in compared.items()}
                | {"random": random},
                "share": {
                    name: round(float(map_[mask].sum() / (map_.sum() or 1)), 4)
                    for name, map_ in compared.items()
                }
                | {"random": random},
            }
        )
    return measured


def mask_in_cells(thing: DrawnObject, cut: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """Return the cells that an object covers half or more, in the photo as `cut` shows it."""
    seen = Image.fromarray(cut(mask_of(thing).convert("RGB"))).convert("L")
    return np.asarray(seen.resize((SIDE, SIDE), Image.Resampling.BOX)) >= 128


def enlarge(attention: np.ndarray) -> np.ndarray:
    """Return weights of regions as they are shown, between them linearly, (SIDE, SIDE)."""
    weights = torch.from_numpy(attention)[None, None]
    return functional.interpolate(weights, size=(SIDE, SIDE), mode="bilinear")[0, 0].numpy()


def _summarize(described: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the means over photos of the means over their named words; None if there are none."""
    named = [photo["named"] for photo in described if photo.get("named")]
    if not named:
        return None
    return {
        "words": sum(map(len, named)),
        "photos": len(named),
        **{
            measure: {
                name: fmean(fmean(word[measure][name] for word in words) for words in named)
                for name in named[0][0][measure]
            }
            for measure in ("pointing", "share")
        },
    }
