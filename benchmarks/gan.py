"""Time the training of a GAN: CS231n's loop, the best simple one, recap's, and the bare products.

Each takes steps of a discriminator and a generator on the same 128 pictures. They take turns, and
the medians of their images a second are compared.

    course    the notebook's loop: each kind of picture by itself, gradients of all weights, Adam
    simple    the same with torch.autocast to bfloat16 where the processor has units for it,
              channels last, and the fused Adam
    recap     this package, in the number format that it chooses for the processor
    products  the matrix products and convolutions alone that a step cannot do without, each forward
              and backward as often as recap does them

Usage: python benchmarks/gan.py [--quick]
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from recap.core.devices import choose_precision, keep_freed_memory, use_threads
from recap.generative.losses import LOSSES
from recap.generative.networks import make_networks
from recap.generative.recipe import GAN
from recap.generative.trainer import GANTrainer

BATCH = 128
NOISE = 96
ROUNDS = 7
SECONDS = 2.0  # of a contender in a round
CPU = torch.device("cpu")
GANS = {
    "vanilla": GAN(networks="fully_connected", initial_weights="default"),
    "least_squares": GAN(
        networks="fully_connected", initial_weights="default", loss="least_squares"
    ),
    "convolutional": GAN(),
}
PRODUCTS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two rounds of half a second")
    quick = parser.parse_args().quick
    rounds, seconds = (2, 0.5) if quick else (ROUNDS, SECONDS)
    use_threads(None)
    keep_freed_memory()
    precision = choose_precision(CPU)
    print(f"{os.cpu_count()} cores, {precision}, medians of {rounds} rounds, images/s")
    figures: dict[str, float] = {}
    for name, recipe in GANS.items():
        contenders = {
            "course": course_step(recipe, simple=False, precision=precision),
            "simple": course_step(recipe, simple=True, precision=precision),
            "recap": recap_step(recipe, precision),
            "products": products_step(recipe, precision),
        }
        rates: dict[str, list[float]] = {contender: [] for contender in contenders}
        for step in contenders.values():
            step()
        for _ in range(rounds):
            for contender, step in contenders.items():
                rates[contender].append(rate_of(step, seconds))
        cells = [
            f"{contender} {statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f})"
            for contender, found in rates.items()
        ]
        print(f"{name:<15}" + "; ".join(cells))
        for other in ("course", "simple", "products"):
            shares = [a / b for a, b in zip(rates["recap"], rates[other], strict=True)]
            figures[f"{name}_over_{other}"] = round(statistics.median(shares), 3)
    print(json.dumps(figures))


def rate_of(step: Callable[[], None], seconds: float) -> float:
    """Return the images a second of a contender."""
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    return BATCH * steps / (time.perf_counter() - start)


def course_step(recipe: GAN, *, simple: bool, precision: torch.dtype) -> Callable[[], None]:
    """Return the notebook's step, or the best simple form of it."""
    generator, discriminator = make_networks(recipe, 0)
    if simple:
        for network in (generator, discriminator):
            network.to(memory_format=torch.channels_last)
    solvers = [
        torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999), fused=simple)
        for network in (discriminator, generator)
    ]
    losses = LOSSES[recipe.loss]
    real = torch.rand(BATCH, 1, 28, 28) * 2 - 1
    low = simple and precision != torch.float32

    def step() -> None:
        with torch.autocast("cpu", precision, low):
            logits_real = discriminator(real)
            made = generator(torch.rand(BATCH, NOISE) * 2 - 1).detach()
            logits_fake = discriminator(made.view(BATCH, 1, 28, 28))
            loss = losses.discriminator(logits_real.float(), logits_fake.float())
        solvers[0].zero_grad()
        loss.backward()
        solvers[0].step()
        with torch.autocast("cpu", precision, low):
            made = generator(torch.rand(BATCH, NOISE) * 2 - 1)
            logits_fake = discriminator(made.view(BATCH, 1, 28, 28))
            loss = losses.generator(logits_fake.float())
        solvers[1].zero_grad()
        loss.backward()
        solvers[1].step()

    return step


def recap_step(recipe: GAN, precision: torch.dtype) -> Callable[[], None]:
    """Return recap's step."""
    trainer = GANTrainer(recipe, 0, CPU, precision)
    real = torch.rand(BATCH, 784) * 2 - 1
    return lambda: trainer.step(real, 1.0)


def products_step(recipe: GAN, precision: torch.dtype) -> Callable[[], None]:
    """Return the products of a step alone, with inputs and gradients that were made before."""
    products = []
    generator, discriminator = make_networks(recipe, 0)
    # Of the discriminator, gradients of weights for both kinds in its own step, of inputs alone in
    # the generator's; of the generator, a forward pass before.
    for network, width, batch, weights, inputs in (
        (generator, NOISE, BATCH, False, False),
        (discriminator, 784, 2 * BATCH, True, True),
        (discriminator, 784, BATCH, False, True),
        (generator, NOISE, BATCH, True, True),
    ):
        seen = layers_seen(network, torch.rand(batch, width))
        products += [
            (product_of(module, x, precision), torch.rand_like(y).to(precision), weights, inputs)
            for module, x, y in seen
        ]

    def step() -> None:
        for (operation, x, weight), gradient, weights, inputs in products:
            wanted = [tensor for tensor, needed in ((x, inputs), (weight, weights)) if needed]
            with torch.set_grad_enabled(bool(wanted)):
                y = operation(x, weight)
            if wanted:
                torch.autograd.grad(y, wanted, gradient)

    return step


def layers_seen(
    network: nn.Module, x: torch.Tensor
) -> list[tuple[nn.Module, torch.Tensor, torch.Tensor]]:
    """Return the layers with products, their inputs and their outputs."""
    seen = []
    hooks = [
        module.register_forward_hook(lambda *of: seen.append((of[0], of[1][0], of[2])))
        for module in network.modules()
        if isinstance(module, PRODUCTS)
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return seen


def product_of(
    module: nn.Module, x: torch.Tensor, precision: torch.dtype
) -> tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], torch.Tensor, torch.Tensor]:
    """Return a layer's product as a function of input and weight, and these two."""
    layout = torch.channels_last if x.dim() == 4 else torch.contiguous_format
    x = x.detach().to(precision).contiguous(memory_format=layout).requires_grad_()
    weight = module.weight.detach().to(precision).requires_grad_()
    if isinstance(module, nn.Linear):
        return nn.functional.linear, x, weight
    if isinstance(module, nn.Conv2d):
        return nn.functional.conv2d, x, weight
    stride, padding = module.stride, module.padding
    return (
        lambda a, b: nn.functional.conv_transpose2d(a, b, stride=stride, padding=padding),
        x,
        weight,
    )


if __name__ == "__main__":
    main()
