"""Take training steps with the captioner in NumPy."""

import numpy as np

from recap.captioners.numpy import CaptioningRNN
from recap.captioners.optim import adam
from recap.captioners.recipe import Recipe


class NumpyTrainer:
    """Trains `recap.captioners.numpy.CaptioningRNN`; parameters as in `trainer.make_trainer`."""

    def __init__(self, recipe: Recipe, feature_dim: int, idx_to_word: list[str], seed: int):
        np.random.seed(seed)  # noqa: NPY002  (CaptioningRNN draws as the course's code does)
        self.captioner = CaptioningRNN(
            {word: number for number, word in enumerate(idx_to_word)},
            input_dim=feature_dim,
            wordvec_dim=recipe.wordvec_dim,
            hidden_dim=recipe.hidden_dim,
            cell_type=recipe.architecture,
        )
        self._recipe = recipe
        self._adam: dict[str, dict] = {name: {} for name in self.captioner.params}

    def step(self, features: np.ndarray, captions: np.ndarray, learning_rate: float) -> float:
        """Take one step of Adam and return the loss before it."""
        loss, gradients = self.captioner.loss(features, captions)
        norm = np.sqrt(sum(np.vdot(gradient, gradient) for gradient in gradients.values()))
        shrink = min(1.0, self._recipe.gradient_clip / (norm + 1e-6))
        for name, weights in self.captioner.params.items():
            if weights.ndim == 2:
                weights *= 1 - learning_rate * self._recipe.weight_decay
            self._adam[name]["learning_rate"] = learning_rate
            self.captioner.params[name], self._adam[name] = adam(
                weights, gradients[name] * weights.dtype.type(shrink), self._adam[name]
            )
        return float(loss)

    def loss(self, features: np.ndarray, captions: np.ndarray) -> float:
        """Return the loss."""
        return float(self.captioner.loss(features, captions)[0])

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters under CS231n's names and layouts, float32."""
        return {name: weights.copy() for name, weights in self.captioner.params.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Return all that later steps depend on: parameters and moments."""
        state = self.parameters()
        for name, config in self._adam.items():
            state |= {f"{name}.{moment}": np.asarray(config[moment]) for moment in ("t", "m", "v")}
        return state

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        for name in self.captioner.params:
            self.captioner.params[name] = state[name]
            self._adam[name] = {moment: state[f"{name}.{moment}"] for moment in ("m", "v")}
            self._adam[name]["t"] = int(state[f"{name}.t"])
