"""Take the training steps of a GAN."""

import copy

import numpy as np
import torch
from torch import nn

from recap.generative.losses import LOSSES
from recap.generative.networks import make_networks
from recap.generative.recipe import GAN

SAMPLES_AT_ONCE = 500


class GANTrainer:
    """A generator and a discriminator, their optimisers and their noise.

    Parameters
    ----------
    recipe : GAN
        Networks, losses and step sizes.
    seed : int
        Seed of weights and noise.
    device : torch.device
        Where to compute.
    precision : torch.dtype
        Number format of the products; weights and losses are float32.
    """

    def __init__(
        self,
        recipe: GAN,
        seed: int,
        device: torch.device,
        precision: torch.dtype = torch.float32,
    ):
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        self._recipe, self._device, self._precision = recipe, device, precision
        self._losses = LOSSES[recipe.loss]
        self.generator, self.discriminator = (
            network.to(device, memory_format=torch.channels_last)
            for network in make_networks(recipe, seed)
        )
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False)
        self._optimizers = {
            name: torch.optim.Adam(
                network.parameters(),
                lr=recipe.learning_rate,
                betas=(recipe.beta1, recipe.beta2),
                fused=True,
            )
            for name, network in self._networks().items()
            if name != "averaged"
        }
        self._noise = training_noise(seed)

    def _networks(self) -> dict[str, nn.Module]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "averaged": self.averaged,
        }

    def step(self, pictures: torch.Tensor, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Take a step of the discriminator, then one of the generator with noise of its own.

        Parameters
        ----------
        pictures : tensor of shape (N, 784), float32
            Real ones, from -1 to 1.
        rate : float
            Factor of the recipe's step sizes.

        Returns
        -------
        tuple of two tensors
            The losses of discriminator and generator before their steps.
        """
        for optimizer in self._optimizers.values():
            optimizer.param_groups[0]["lr"] = rate * self._recipe.learning_rate
        with torch.no_grad():
            fakes = self._make(len(pictures))
        # Both kinds in one pass: no layer of a discriminator looks at more than one picture.
        real, fake = self._judge(torch.cat([pictures, fakes])).split(len(pictures))
        discriminator_loss = self._losses.discriminator(real, fake)
        self._descend("discriminator", discriminator_loss)

        # The generator's step needs no gradient of the discriminator's weights.
        self.discriminator.requires_grad_(False)
        generator_loss = self._losses.generator(self._judge(self._make(len(pictures))))
        self._descend("generator", generator_loss)
        self.discriminator.requires_grad_(True)
        self._move_average()
        return discriminator_loss.detach(), generator_loss.detach()

    def _make(self, count: int) -> torch.Tensor:
        noise = uniform_noise(count, self._recipe.noise_dim, self._noise).to(self._device)
        with torch.autocast(self._device.type, self._precision, self._low_precision):
            return self.generator(noise).float()

    def _judge(self, pictures: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self._device.type, self._precision, self._low_precision):
            return self.discriminator(pictures).float()

    @property
    def _low_precision(self) -> bool:
        return self._precision != torch.float32

    def _descend(self, name: str, loss: torch.Tensor) -> None:
        optimizer = self._optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def _move_average(self) -> None:
        decay = self._recipe.average
        if not decay:
            return
        averages = self.averaged.state_dict()
        for name, value in self.generator.state_dict().items():
            if value.is_floating_point():
                averages[name].lerp_(value, 1 - decay)

    def sampler(self) -> nn.Module:
        """Return the generator that samples are drawn with."""
        return self.averaged if self._recipe.average else self.generator

    def state(self) -> dict[str, np.ndarray]:
        """Return all that later steps depend on: weights, statistics, moments, noise."""
        arrays = {}
        for name, network in self._networks().items():
            arrays |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
        for name, optimizer in self._optimizers.items():
            for number, moments in optimizer.state_dict()["state"].items():
                arrays |= {f"{name}.adam.{number}.{key}": of for key, of in moments.items()}
        arrays["noise"] = self._noise.get_state()
        return {name: array.cpu().numpy().copy() for name, array in arrays.items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        for name, network in self._networks().items():
            network.load_state_dict({key: tensors[f"{name}.{key}"] for key in network.state_dict()})
        for name, optimizer in self._optimizers.items():
            for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
                prefix = f"{name}.adam.{number}."
                for key, value in tensors.items():
                    if key.startswith(prefix):
                        value = value.to(self._device)
                        # In the layout of the weights, which the fused step takes for granted.
                        like = parameter if value.dim() else value
                        moment = torch.empty_like(like).copy_(value)
                        optimizer.state[parameter][key.removeprefix(prefix)] = moment
        self._noise.set_state(tensors["noise"])


def uniform_noise(count: int, dim: int, generator: torch.Generator) -> torch.Tensor:
    """Draw noise of shape (N, Z), uniform from -1 to 1."""
    return torch.rand(count, dim, generator=generator) * 2 - 1


def training_noise(seed: int) -> torch.Generator:
    """Return the generator of the noise of a training."""
    return _generator(seed, 1)


def sampling_noise(seed: int) -> torch.Generator:
    """Return the generator of the noise of samples, which is apart from that of training."""
    return _generator(seed, 2)


def _generator(seed: int, purpose: int) -> torch.Generator:
    # PyTorch looks at the low 32 bits of a seed alone: the purpose cannot stand above them.
    state = np.random.SeedSequence([seed, purpose]).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))


@torch.inference_mode()
def draw_samples(generator: nn.Module, noise: torch.Tensor) -> np.ndarray:
    """Make a picture of each row of noise, as a generator does that is trained no more.

    Batch normalisation takes the statistics of training: a picture does not depend on those beside
    it. (CS231n samples in training mode.)

    Parameters
    ----------
    generator : torch.nn.Module
        Maps (N, Z) to (N, 784) in [-1, 1]; its mode is put back.
    noise : tensor of shape (N, Z), float32
        What the pictures are made of.

    Returns
    -------
    ndarray of shape (N, 28, 28), uint8
    """
    device = next(generator.parameters()).device
    training = generator.training
    generator.eval()
    made = [generator(part.to(device)).cpu() for part in noise.split(SAMPLES_AT_ONCE)]
    generator.train(training)
    levels = (torch.cat(made) + 1) * 127.5
    return levels.round().clamp(0, 255).to(torch.uint8).numpy().reshape(-1, 28, 28)
