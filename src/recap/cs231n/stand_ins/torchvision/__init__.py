"""The part of torchvision that the course's notebooks use, on recap's code."""

from recap.cs231n.stand_ins.torchvision import datasets, models, transforms

__all__ = ["datasets", "models", "transforms"]
