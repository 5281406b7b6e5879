"""Read what a study left behind: recipes, training histories, captions and scores."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recap.decoders import beam_width
from recap.errors import InputError
from recap.files import read_json

METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D")


@dataclass(frozen=True)
class History:
    """The course of one training, a row each logged step.

    Attributes
    ----------
    step : ndarray of shape (R,), int64
        Minibatches seen.
    epoch : ndarray of shape (R,), int64
        Epoch that the step belongs to.
    loss : ndarray of shape (R,), float64
        Training loss in nats per caption.
    validation_loss : ndarray of shape (R,), float64
        Validation loss in nats per caption; NaN except where an epoch ends.
    captions_per_second : ndarray of shape (R,), float64
        Training speed; NaN where it was not recorded.
    """

    step: np.ndarray
    epoch: np.ndarray
    loss: np.ndarray
    validation_loss: np.ndarray
    captions_per_second: np.ndarray

    def epochs_done(self) -> np.ndarray:
        """Return how many epochs had passed at each row, an array of shape (R,), float64.

        The last step of the first epoch is at 1.
        """
        ends = np.flatnonzero(np.append(np.diff(self.epoch) != 0, True))
        return np.interp(self.step, [0, *self.step[ends]], np.arange(len(ends) + 1))


@dataclass(frozen=True)
class Decoding:
    """The captions that one decoder gave, and their scores.

    Attributes
    ----------
    scores : dict of str to float or None
        Corpus score of each of `METRICS`, as a fraction; None where it was not computed.
    notes : list of str
        Why a score is missing, and what else the scorer wants known.
    tokenizer : str
        How the captions were cut into words; empty if the score file does not say.
    cider : ndarray of shape (N,), float64
        CIDEr-D of each image, in the order of `Study.image_ids`.
    captions : list of str
        Caption of each image, in the same order.
    """

    scores: dict[str, float | None]
    notes: list[str]
    tokenizer: str
    cider: np.ndarray
    captions: list[str]


@dataclass(frozen=True)
class Run:
    """One training of a model from one seed, and the decodings that were scored.

    Attributes
    ----------
    seed : int
        Seed of the training.
    config : dict
        The model's `config.json`.
    history : History
        The model's `history.csv`.
    decodings : dict of str to Decoding
        By name of the decoder: `greedy`, `beam3`, ...
    """

    seed: int
    config: dict
    history: History
    decodings: dict[str, Decoding]

    def kept_row(self) -> int | None:
        """Return the row of the history where the kept parameters were validated.

        That is the end of the configuration's `best_epoch`, or else where the validation loss
        is lowest; None for a training without validation.
        """
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
    image_ids : list of int
        The images that were scored, N of them.
    models : dict of str to list of Run
        By name of the model, in the order asked for or else the alphabetical; the runs in the
        order asked for or else by seed.
    decoder_names : list of str
        Every decoder of any run, in the order asked for or else the narrowest beam first.
    """

    folder: Path
    image_ids: list[int]
    models: dict[str, list[Run]]
    decoder_names: list[str]

    @property
    def name(self) -> str:
        """The study's name, which is that of its folder."""
        return self.folder.resolve().name

    def decoders(self, model: str) -> list[str]:
        """Return the decoders by which a model was scored from any seed."""
        names = {name for run in self.models[model] for name in run.decodings}
        return [name for name in self.decoder_names if name in names]

    def decodings(self, model: str, decoder: str) -> list[Decoding]:
        """Return a model's decodings by one decoder, in the order of the seeds."""
        runs = self.models[model]
        return [run.decodings[decoder] for run in runs if decoder in run.decodings]

    def all_decodings(self) -> list[Decoding]:
        """Return every decoding of every model and seed."""
        return [
            decoding
            for runs in self.models.values()
            for run in runs
            for decoding in run.decodings.values()
        ]


def decoder_order(decoder: str) -> tuple[int, str]:
    """Return the key by which decoders are sorted: the narrowest beam first."""
    return beam_width(decoder), decoder


def read_study(
    folder: Path,
    *,
    models: list[str] | None = None,
    seeds: list[int] | None = None,
    decoders: list[str] | None = None,
) -> Study:
    """Read the models, seeds and decoders of a study that have a score file.

    Parameters
    ----------
    folder : Path
        `results/S`, with `models`, `captions` and `scores`.
    models : list of str, optional
        Read only these, in this order; all by default.
    seeds : list of int, optional
        Read only these, in this order; all by default.
    decoders : list of str, optional
        Read only these, in this order; all by default.

    Raises
    ------
    InputError
        If nothing was scored, what is named was not, a file is missing or lacks what it should
        hold, or the score files are not about the same images.
    """
    score_paths = _score_paths(folder, models, seeds, decoders)
    image_ids = _image_ids(score_paths[0])
    decodings: dict[tuple[str, int], dict[str, Decoding]] = {}
    for path in score_paths:
        if set(_image_ids(path)) != set(image_ids):
            raise InputError(
                f"{path} is about other images than {score_paths[0]}: score every model against"
                " the same annotations."
            )
        run = (path.parts[-3], _seed(path.parent))
        captions = folder / "captions" / path.relative_to(folder / "scores")
        decodings.setdefault(run, {})[path.stem] = _read_decoding(path, captions, image_ids)
    runs: dict[str, list[Run]] = {}
    for model, seed in sorted(
        decodings, key=lambda run: (_place(run[0], models), _place(run[1], seeds))
    ):
        trained = folder / "models" / model / f"seed{seed}"
        runs.setdefault(model, []).append(
            Run(
                seed=seed,
                config=read_json(trained / "config.json"),
                history=read_history(trained / "history.csv"),
                decodings=decodings[model, seed],
            )
        )
    if decoders is None:
        decoders = sorted({path.stem for path in score_paths}, key=decoder_order)
    return Study(folder, image_ids, runs, list(dict.fromkeys(decoders)))


def read_history(path: Path) -> History:
    """Read the `history.csv` of one training.

    Parameters
    ----------
    path : Path
        CSV file with the columns of `History`; empty cells become NaN.

    Raises
    ------
    InputError
        If the file is missing, lacks a column, or holds no row.
    """

    def column(name: str, dtype: type) -> np.ndarray:
        return np.array([row[name] or "nan" for row in rows]).astype(dtype)

    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError("it has no rows")
        return History(
            step=column("step", np.int64),
            epoch=column("epoch", np.int64),
            loss=column("loss", np.float64),
            validation_loss=column("validation_loss", np.float64),
            captions_per_second=column("captions_per_second", np.float64),
        )
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a training history ({error!r}): train the model again."
        ) from None


def _score_paths(
    folder: Path,
    models: list[str] | None,
    seeds: list[int] | None,
    decoders: list[str] | None,
) -> list[Path]:
    """Return the score files to read, those of the narrowest beam first."""
    found = folder.glob("scores/*/seed*/*.json")
    # A killed job may leave a scratch file, whose name begins with a dot.
    paths = sorted(path for path in found if not path.name.startswith("."))
    if not paths:
        raise InputError(
            f"{folder} holds no scores to compare: make them with `snakemake evaluate`."
        )
    seed_folders = None if seeds is None else [f"seed{seed}" for seed in seeds]
    choices = [
        (models, lambda path: path.parts[-3]),
        (seed_folders, lambda path: path.parts[-2]),
        (decoders, lambda path: path.stem),
    ]
    for names, name_of in choices:
        if names is not None:
            paths = [path for path in paths if name_of(path) in names]
    for names, name_of in choices:
        for name in names or []:
            if name not in map(name_of, paths):
                raise InputError(
                    f"{folder / 'scores'} holds no scores of {name} for what is to be compared:"
                    f" make them with `snakemake evaluate`, or leave {name} out."
                )
    return sorted(paths, key=lambda path: decoder_order(path.stem))


def _place(name: str | int, order: list[str] | list[int] | None) -> str | int:
    """Return the key that sorts names as they were asked for, or else by themselves."""
    return name if order is None else order.index(name)


def _seed(folder: Path) -> int:
    """Return the seed that a folder named `seed{seed}` tells."""
    try:
        return int(folder.name.removeprefix("seed"))
    except ValueError:
        raise InputError(
            f"{folder} is not named after a seed: call it `seed0`, or remove it."
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
        cider = dict(zip(of_each_image["image_id"], of_each_image["CIDEr-D"], strict=True))
        scores = {metric: content["scores"][metric] for metric in METRICS}
    except (KeyError, TypeError, ValueError) as error:
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
        cider=np.array([cider[image_id] for image_id in image_ids], dtype=np.float64),
        captions=ordered,
    )


def _broken_scores(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not a whole score file ({error!r}): remove it and run `snakemake evaluate`."
    )
