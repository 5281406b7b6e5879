"""CS231n's solver for its network in NumPy."""

from typing import Any

import numpy as np

from recap.captioners import optim
from recap.captioners.numpy import CaptioningRNN
from recap.cs231n.coco_utils import sample_coco_minibatch

__all__ = ["CaptioningSolver"]


class CaptioningSolver:
    """Trains a `CaptioningRNN` on minibatches, with the interface of CS231n's solver.

    Parameters
    ----------
    model : CaptioningRNN
        The model; its `params` are replaced step by step.
    data : dict
        From `recap.cs231n.coco_utils.load_coco_data`.
    update_rule : {"sgd", "sgd_momentum", "rmsprop", "adam", "adam_bias_corrected"}
        A function of `recap.cs231n.optim`. `adam` is that of the course's third assignment;
        `adam_bias_corrected` is the paper's, with which `train_captioner` trains.
    optim_config : dict, optional
        Its settings, such as `{"learning_rate": 5e-3}`.
    batch_size : int
        Captions in a minibatch.
    num_epochs : int
        An epoch is as many steps as whole minibatches fit into the training captions, at least
        one; captions are drawn with repetition.
    lr_decay : float
        Factor of the learning rate after each epoch.
    print_every : int
        Steps between two lines of progress.
    verbose : bool
        Whether to print them.
    **unknown
        Refused.

    Attributes
    ----------
    loss_history : list of float
        The loss of each step's minibatch, before the step.
    epoch : int
        Epochs that have ended.
    optim_configs : dict of str to dict
        Settings and memory of the update rule for each of the model's parameters.
    best_val_acc, best_params, train_acc_history, val_acc_history
        Part of the course's interface; zero and empty there too, as captions have no accuracy.

    Raises
    ------
    ValueError
        If the update rule or an argument is unknown.
    """

    def __init__(
        self,
        model: CaptioningRNN,
        data: dict,
        update_rule: str = "sgd",
        optim_config: dict[str, Any] | None = None,
        batch_size: int = 100,
        num_epochs: int = 10,
        lr_decay: float = 1.0,
        print_every: int = 10,
        verbose: bool = True,
        **unknown: Any,
    ):
        if unknown:
            raise ValueError(f"Unrecognized arguments {', '.join(map(repr, unknown))}.")
        if update_rule not in optim.UPDATE_RULES:
            raise ValueError(
                f"update_rule is {update_rule!r}; it must be one of"
                f" {', '.join(optim.UPDATE_RULES)}."
            )
        self.model = model
        self.data = data
        self.update_rule = optim.UPDATE_RULES[update_rule]
        self.optim_config = dict(optim_config or {})
        self.batch_size = batch_size
        self.num_epochs = num_epochs
        self.lr_decay = lr_decay
        self.print_every = print_every
        self.verbose = verbose
        self._reset()

    def _reset(self) -> None:
        """Forget the epochs, the losses and what the update rule remembers."""
        self.epoch = 0
        self.best_val_acc = 0
        self.best_params: dict[str, np.ndarray] = {}
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.optim_configs = {name: dict(self.optim_config) for name in self.model.params}

    def train(self) -> None:
        """Train for `num_epochs` epochs."""
        steps_per_epoch = max(len(self.data["train_captions"]) // self.batch_size, 1)
        n_steps = self.num_epochs * steps_per_epoch
        for step in range(n_steps):
            self._step()
            if self.verbose and step % self.print_every == 0:
                print(f"(Iteration {step + 1} / {n_steps}) loss: {self.loss_history[-1]:f}")
            if (step + 1) % steps_per_epoch == 0:
                self.epoch += 1
                for config in self.optim_configs.values():
                    config["learning_rate"] *= self.lr_decay

    def check_accuracy(
        self, X: Any, y: Any, num_samples: int | None = None, batch_size: int = 100
    ) -> float:
        """Return 0, as the course's solver does: captions have no accuracy."""
        return 0.0

    def _step(self) -> None:
        captions, features, _ = sample_coco_minibatch(
            self.data, batch_size=self.batch_size, split="train"
        )
        loss, grads = self.model.loss(features, captions)
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            self.model.params[name], self.optim_configs[name] = self.update_rule(
                w, grads[name], self.optim_configs[name]
            )
