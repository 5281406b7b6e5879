"""Which models, seeds and decoders of a study take part."""

from dataclasses import dataclass

ENSEMBLE = "ensemble"

# Folders of the runs of a model: its trainings by seed, and what they caption together.
RUNS = ("seed*", ENSEMBLE)


@dataclass(frozen=True)
class Selection:
    """Which models, seeds and decoders of a study take part; None stands for all.

    Attributes
    ----------
    models : list of str or None
        Names of models.
    seeds : list of int or None
        Seeds of trainings.
    decoders : list of str or None
        Names of decoders.
    ensembles : bool
        Whether the captions that a model's seeds give together take part.
    """

    models: list[str] | None = None
    seeds: list[int] | None = None
    decoders: list[str] | None = None
    ensembles: bool = True

    @property
    def seed_folders(self) -> list[str] | None:
        """The names of the seeds' folders."""
        return None if self.seeds is None else [f"seed{seed}" for seed in self.seeds]

    def holds(self, model: str, run: str, decoder: str | None = None) -> bool:
        """Return whether a run takes part or, with a decoder, whether its captions do.

        `run` is the name of its folder: `seed0` and so on, or `ensemble`.
        """
        if run == ENSEMBLE and not self.ensembles:
            return False
        return (
            (self.models is None or model in self.models)
            and (self.seeds is None or run in (*self.seed_folders, ENSEMBLE))
            and (self.decoders is None or decoder is None or decoder in self.decoders)
        )
