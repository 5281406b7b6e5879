"""Read what a study left behind: recipes, training histories, captions and scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recap.captioners.folder import read_config
from recap.core.errors import InputError
from recap.core.json_files import read_json
from recap.evaluation.decoders import decoder_order
from recap.report.captioning.history import History, read_history
from recap.report.captioning.record import Record, read_record
from recap.report.captioning.selection import ENSEMBLE, RUNS, Selection

METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D")
MORE_METRICS = ("SPICE",)  # told of where they were computed
ALL = Selection()


@dataclass(frozen=True)
class Decoding:
    """The captions that one decoder gave, and their scores.

    Attributes
    ----------
    scores : dict of str to float or None
        Corpus score of each of `METRICS` and of what else was computed, as a fraction; None where
        it was not.
    notes : list of str
        Why a score is missing, and what else the scorer wants known.
    tokenizer : str
        How the captions were cut into words; empty if the score file does not say.
    per_image : dict of str to ndarray of shape (N,), float64
        Scores of each image, in the order of `Study.image_ids`, for each metric that has them;
        CIDEr-D is always there.
    bleu_counts : ndarray of shape (10, N), float64, or None
        As `recap.captions.metrics.bleu.bleu_counts` returns them; None where they were not kept.
    captions : list of str
        Caption of each image, in the same order.
    file : Path
        Where the captions lie.
    """

    scores: dict[str, float | None]
    notes: list[str]
    tokenizer: str
    per_image: dict[str, np.ndarray]
    bleu_counts: np.ndarray | None
    captions: list[str]
    file: Path

    @property
    def cider(self) -> np.ndarray:
        """CIDEr-D of each image, an array of shape (N,), float64."""
        return self.per_image["CIDEr-D"]

    def in_order(self, old: list[int], new: list[int]) -> "Decoding":
        """Return the same for the images in another order."""
        if old == new:
            return self
        rows = {image_id: row for row, image_id in enumerate(old)}
        order = [rows[image_id] for image_id in new]
        return replace(
            self,
            per_image={metric: values[order] for metric, values in self.per_image.items()},
            bleu_counts=None if self.bleu_counts is None else self.bleu_counts[:, order],
            captions=[self.captions[row] for row in order],
        )


@dataclass(frozen=True)
class Run:
    """One training of a model from one seed, and the decodings that were scored.

    Attributes
    ----------
    seed : int or None
        Seed of the training; None for an ensemble of all seeds.
    config : dict
        The model's `config.json`; empty if it is missing.
    history : History or None
        The model's `history.csv`, if there is one.
    perplexity : float or None
        Of the references under the model; None where it was not measured.
    decodings : dict of str to Decoding
        By name of the decoder: `greedy`, `beam3`, ...
    """

    seed: int | None
    config: dict
    history: History | None
    perplexity: float | None
    decodings: dict[str, Decoding]

    def in_order(self, old: list[int], new: list[int]) -> "Run":
        """Return the same for the images in another order."""
        decodings = {name: item.in_order(old, new) for name, item in self.decodings.items()}
        return replace(self, decodings=decodings)

    def kept_row(self) -> int | None:
        """Return the row of the history where the kept parameters were validated.

        That is the end of the configuration's `best_epoch`, or else where the validation loss
        is lowest; None for a training without validation or history.
        """
        if self.history is None:
            return None
        losses = self.history.validation_loss
        rows = np.flatnonzero(~np.isnan(losses))
        kept = rows[self.history.epoch[rows] == self.config.get("best_epoch")]
        if kept.size:
            return int(kept[0])
        return int(rows[np.argmin(losses[rows])]) if rows.size else None


@dataclass(frozen=True)
class Study:
    """The scored part of a study, or what was chosen of it.

    Attributes
    ----------
    folder : Path
        Where it lies.
    record : Record
        What it was made from.
    image_ids : list of int
        The images that were scored, N of them.
    models : dict of str to list of Run
        By name of the model, in the order asked for or else the alphabetical, ensembles last; the
        runs in the order asked for or else by seed.
    decoder_names : list of str
        Every decoder of any run, in the order asked for or else the narrowest beam first.
    """

    folder: Path
    record: Record
    image_ids: list[int]
    models: dict[str, list[Run]]
    decoder_names: list[str]

    @property
    def name(self) -> str:
        """The study's name, which is that of its folder."""
        return self.folder.resolve().name


def read_study(folder: Path, selection: Selection = ALL) -> Study:
    """Read the models, seeds and decoders of a study that have a score file.

    Parameters
    ----------
    folder : Path
        `results/S`, with `models`, `captions` and `scores`.
    selection : Selection
        What to read, in which order; all by default.

    Raises
    ------
    InputError
        If nothing was scored, what is named was not, a file is missing or lacks what it should
        hold, or the score files are not about the same images.
    """
    score_paths = _score_paths(folder, selection)
    record = read_record(folder)
    image_ids = _image_ids(score_paths[0])
    decodings: dict[tuple[str, int | None], dict[str, Decoding]] = {}
    for path in score_paths:
        if set(_image_ids(path)) != set(image_ids):
            raise InputError(
                f"{path} is about other images than {score_paths[0]}: score every model against"
                " the same annotations."
            )
        run = (path.parts[-3], _seed(path.parent))
        captions = folder / "captions" / path.relative_to(folder / "scores")
        decodings.setdefault(run, {})[path.stem] = _read_decoding(path, captions, image_ids)

    def place(run: tuple[str, int | None]) -> tuple:
        model, seed = run
        return (
            seed is None,
            _place(model, selection.models),
            0 if seed is None else _place(seed, selection.seeds),
        )

    runs: dict[str, list[Run]] = {}
    for model, seed in sorted(decodings, key=place):
        run = f"{model}/{ENSEMBLE if seed is None else f'seed{seed}'}"
        name = f"{model} {ENSEMBLE}" if seed is None else model
        runs.setdefault(name, []).append(
            Run(
                seed=seed,
                config=_read_if_there(folder / "models" / run / "config.json", read_config) or {},
                history=_read_if_there(folder / "models" / run / "history.csv", read_history),
                perplexity=_read_if_there(
                    folder / "captions" / run / "perplexity.json", _read_perplexity
                ),
                decodings=decodings[model, seed],
            )
        )
    decoders = selection.decoders or [path.stem for path in score_paths]
    return Study(folder, record, image_ids, runs, list(dict.fromkeys(decoders)))


def _read_if_there(path: Path, read: Callable[[Path], Any]) -> Any:
    """Return what is read from a file that a study may do without, None if it is missing."""
    return read(path) if path.exists() else None


def _score_paths(folder: Path, selection: Selection) -> list[Path]:
    """Return the score files to read, those of the narrowest beam first.

    Of a decoder by which no seed of a model was scored, the ensemble's are left out, too.
    """
    scores = folder / "scores"
    # A killed job may leave a scratch file, whose name begins with a dot.
    of_seeds, of_ensembles = (
        [path for path in sorted(scores.glob(f"*/{run}/*.json")) if not path.name.startswith(".")]
        for run in RUNS
    )
    if not of_seeds:
        raise InputError(
            f"{folder} holds no scores to compare: make them with `snakemake evaluation`."
        )
    paths = [path for path in of_seeds if selection.holds(*_run_and_decoder(path))]
    asked = (selection.models, selection.seed_folders, selection.decoders)
    for part, names in enumerate(asked):
        found = {_run_and_decoder(path)[part] for path in paths}
        for name in names or []:
            if name not in found:
                raise InputError(
                    f"{scores} holds no scores of {name} for what is to be compared: make them"
                    f" with `snakemake evaluation`, or leave {name} out."
                )
    scored = {(path.parts[-3], path.stem) for path in paths}
    paths += [
        path
        for path in of_ensembles
        if selection.holds(*_run_and_decoder(path)) and (path.parts[-3], path.stem) in scored
    ]
    return sorted(paths, key=lambda path: decoder_order(path.stem))


def _run_and_decoder(path: Path) -> tuple[str, str, str]:
    """Return whose scores or captions a file holds: model, folder of the run, decoder."""
    return path.parts[-3], path.parts[-2], path.stem


def _place(name: str | int, order: list[str] | list[int] | None) -> str | int:
    """Return the key that sorts names as they were asked for, or else by themselves."""
    return name if order is None else order.index(name)


def _read_perplexity(path: Path) -> float:
    try:
        return float(read_json(path)["perplexity"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} does not hold a perplexity ({error!r}): make it anew, with `snakemake"
            " --forcerun measure_perplexity`."
        ) from None


def _seed(folder: Path) -> int | None:
    """Return the seed that a folder named `seed{seed}` tells, None for an ensemble's."""
    if folder.name == ENSEMBLE:
        return None
    try:
        return int(folder.name.removeprefix("seed"))
    except ValueError:
        raise InputError(
            f"{folder} is not named after a seed: call it `seed0`, or move it elsewhere."
        ) from None


def _image_ids(path: Path) -> list[int]:
    """Return the images that a score file is about, in its order."""
    try:
        return list(read_json(path)["per_image"]["image_id"])
    except (KeyError, TypeError) as error:
        raise _broken_scores(path, error) from None


def _read_decoding(path: Path, captions_path: Path, image_ids: list[int]) -> Decoding:
    """Read a score file and the captions it is about, in the order of `image_ids`."""
    content = read_json(path)
    try:
        of_each_image = content["per_image"]
        rows = {image_id: row for row, image_id in enumerate(of_each_image["image_id"])}
        order = [rows[image_id] for image_id in image_ids]
        per_image = {
            metric: np.array(of_each_image[metric], dtype=np.float64)[order]
            for metric in (*METRICS, *MORE_METRICS)
            if of_each_image.get(metric) is not None
        }
        if "CIDEr-D" not in per_image or any(
            len(of_each_image[metric]) != len(rows) for metric in per_image
        ):
            raise ValueError("a score for each image is missing")
        counts = of_each_image.get("BLEU counts")
        if counts is not None:
            counts = np.array(counts, dtype=np.float64).reshape(len(rows), 10)[order].T
        scores = {metric: content["scores"][metric] for metric in METRICS}
        scores |= {
            metric: content["scores"][metric]
            for metric in MORE_METRICS
            if content["scores"].get(metric) is not None
        }
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _broken_scores(path, error) from None
    try:
        captions = {entry["image_id"]: str(entry["caption"]) for entry in read_json(captions_path)}
        ordered = [captions[image_id] for image_id in image_ids]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{captions_path} does not hold a caption of every image that {path} scores"
            f" ({error!r}): generate the captions again."
        ) from None
    return Decoding(
        scores=scores,
        notes=content.get("notes", []),
        tokenizer=content.get("tokenizer", ""),
        per_image=per_image,
        bleu_counts=counts,
        captions=ordered,
        file=captions_path,
    )


def _broken_scores(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not a whole score file ({error!r}): make it anew, with `snakemake --forcerun"
        " score_captions`."
    )
