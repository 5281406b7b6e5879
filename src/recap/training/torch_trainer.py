"""Take training steps with the captioner in PyTorch."""

import numpy as np
import torch
from torch import nn

from recap.captioners.architectures import make_captioner
from recap.captioners.decoding import AllowedWords, banned_tokens, decode
from recap.captioners.minibatch import Minibatch
from recap.captioners.recipe import Recipe
from recap.captions.words import NULL
from recap.training.recorded import RecordedSteps

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of Adam, as PyTorch calls them


class TorchTrainer:
    """Trains a captioner in PyTorch; parameters as in `trainer.make_trainer`."""

    def __init__(
        self,
        recipe: Recipe,
        feature_dim: int,
        idx_to_word: list[str],
        seed: int,
        device: torch.device,
        precision: torch.dtype = torch.float32,
    ):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Nothing here reads what it has not written; to fill it first takes a thirtieth of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False
        null = idx_to_word.index(NULL)
        self._idx_to_word = idx_to_word
        self.captioner = make_captioner(recipe, feature_dim, len(idx_to_word), null, precision)
        self.captioner.to(device)
        self._device = device
        self._precision = precision
        self._gradient_clip = recipe.gradient_clip
        self._region_dropout = recipe.region_dropout
        on_gpu = device.type == "cuda"
        parameters = list(self.captioner.parameters())
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.dim() == 2]},
                {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
            ],
            # On a GPU a number in its memory: a recorded step reads it there.
            lr=torch.zeros((), device=device) if on_gpu else 0.0,
            weight_decay=recipe.weight_decay,
            fused=True,
            capturable=on_gpu,
        )
        self._forget_moments()
        recorded = RecordedSteps(self.captioner.loss, self._descend, device) if on_gpu else None
        self._take = recorded or self._take_step

    def step(self, features: np.ndarray, captions: np.ndarray, learning_rate: float) -> float:
        """Take one step of Adam and return the loss before it."""
        self.captioner.train()
        self._set_learning_rate(learning_rate)
        seen = torch.from_numpy(self.hide_regions(features))
        return self._take(seen, self.captioner.pack(captions, None, self._device)).item()

    def self_critical_step(
        self,
        drawn: tuple[np.ndarray, np.ndarray],
        advantages: np.ndarray,
        references: tuple[np.ndarray, np.ndarray],
        weight: float,
        learning_rate: float,
    ) -> float:
        """Take one step of Adam towards better captions of its own; return the loss before it.

        Parameters
        ----------
        drawn : tuple of arrays of shape (N, F), float32, and (N, T), int64
            Features as the captioner saw them, and the captions that it drew by `sample`.
        advantages : array of shape (N,), float64
            By how much each of these captions is to get likelier.
        references : tuple of arrays of shape (M, F), float32, and (M, T), int32
            Features, and captions of people.
        weight : float
            Of the loss of the references.
        learning_rate : float
            Adam's step size.
        """
        # No dropout, as there was none when they were drawn. What is never drawn must have no
        # chance: else it would gain by all that is not rewarded.
        self.captioner.eval()
        own = self._loss(*drawn, advantages, banned_tokens(self._idx_to_word))
        self.captioner.train()
        self._set_learning_rate(learning_rate)
        loss = own + weight * self._loss(*references)
        self._descend(loss)
        return loss.item()

    def _loss(self, features: np.ndarray, captions: np.ndarray, *how: object) -> torch.Tensor:
        return self.captioner(torch.from_numpy(features).to(self._device), captions, *how)

    def _take_step(self, features: torch.Tensor, batch: Minibatch) -> torch.Tensor:
        loss = self.captioner.loss(features.to(self._device), batch.to(self._device))
        self._descend(loss)
        return loss

    def _descend(self, loss: torch.Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.captioner.parameters(), self._gradient_clip)
        self._optimizer.step()

    def _set_learning_rate(self, learning_rate: float) -> None:
        for group in self._optimizer.param_groups:
            if torch.is_tensor(group["lr"]):
                group["lr"].fill_(learning_rate)
            else:
                group["lr"] = learning_rate

    def _forget_moments(self) -> None:
        """Begin with moments of zero, which have their place in memory from then on."""
        for parameter in self.captioner.parameters():
            moments = self._optimizer.state[parameter]
            for name in MOMENTS:
                shape = () if name == "step" else parameter.shape
                moments.setdefault(name, parameter.new_zeros(shape)).zero_()

    @torch.no_grad()
    def loss(self, features: np.ndarray, captions: np.ndarray) -> float:
        """Return the loss without dropout."""
        self.captioner.eval()
        return self._loss(features, captions).item()

    def hide_regions(self, features: np.ndarray) -> np.ndarray:
        """Leave out some regions of each image, drawn anew, as many as the recipe says.

        An image is then seen a little differently each time, and is harder to memorise.

        Parameters
        ----------
        features : array of shape (N, K F), float32

        Returns
        -------
        array of shape (N, K' F), float32
            With K' = K (1 - region dropout), rounded, one at least.
        """
        if not self._region_dropout:
            return features
        regions = features.reshape(len(features), -1, self.captioner.feature_dim)
        kept = max(1, round(regions.shape[1] * (1 - self._region_dropout)))
        # PyTorch's generator is part of the checkpoint.
        chosen = torch.rand(regions.shape[:2]).argsort(dim=1)[:, :kept].numpy()
        return regions[np.arange(len(regions))[:, None], chosen].reshape(len(features), -1)

    @torch.no_grad()
    def sample(self, features: np.ndarray, max_words: int, temperature: float) -> np.ndarray:
        """Draw a caption for each row of features.

        Parameters
        ----------
        features : array of shape (N, F), float32
        max_words : int
            Words that a caption may have.
        temperature : float
            A word is drawn by its probability to the power of 1 / temperature.

        Returns
        -------
        array of shape (N, max_words + 2), int64
            Each `<START>`, one word or more, `<END>`, `<NULL>`s; never `<UNK>`.
        """
        self.captioner.eval()
        allowed = AllowedWords(self._idx_to_word, max_words)

        def choose(
            log_probabilities: torch.Tensor, rows: torch.Tensor, length: int
        ) -> torch.Tensor:
            total = (log_probabilities.float() / temperature).exp().cumsum(dim=1)
            chance = torch.rand(len(rows), 1, device=rows.device) * total[:, -1:]
            words = torch.searchsorted(total, chance, right=True)[:, 0]
            # Where all probabilities underflow no word is found: then the likeliest.
            return torch.where(words < total.shape[1], words, log_probabilities.argmax(dim=1))

        # Products in the number format of the steps that will be taken with these captions.
        with torch.autocast(self._device.type, self._precision, self._precision.itemsize == 2):
            seen = torch.from_numpy(features).to(self._device)
            captions, _ = decode(self.captioner, seen, allowed, choose)
        start = np.full((len(captions), 1), allowed.start)
        return np.concatenate([start, captions.cpu().numpy()], axis=1)

    def restart(self, parameters: dict[str, np.ndarray]) -> None:
        """Take over parameters, and forget what the optimiser knows of earlier steps."""
        self.captioner.load_course_parameters(parameters)
        self._forget_moments()

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters under CS231n's names and layouts, float32."""
        return self.captioner.course_parameters()

    def state(self) -> dict[str, np.ndarray]:
        """Return all that later steps depend on: parameters, moments, generators."""
        state = self.captioner.course_parameters()
        for name, parameter in self.captioner.named_parameters():
            for moment, value in self._optimizer.state[parameter].items():
                state[f"{name}.{moment}"] = value.cpu().numpy()
        state["cpu_generator"] = torch.get_rng_state().numpy()
        if self._device.type == "cuda":
            state["cuda_generator"] = torch.cuda.get_rng_state(self._device).numpy()
        elif self._device.type == "mps":
            state["mps_generator"] = torch.mps.get_rng_state().numpy()
        return state

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self.captioner.load_course_parameters(state)
        for name, parameter in self.captioner.named_parameters():
            for moment, value in self._optimizer.state[parameter].items():
                value.copy_(torch.from_numpy(state[f"{name}.{moment}"]))
        torch.set_rng_state(torch.from_numpy(state["cpu_generator"]))
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(torch.from_numpy(state["cuda_generator"]), self._device)
        elif self._device.type == "mps":
            torch.mps.set_rng_state(torch.from_numpy(state["mps_generator"]))
