"""What devices and number formats are called, for modules that do without PyTorch."""

from typing import Literal

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
FeaturePrecision = Literal["auto", "float32", "bfloat16", "int8"]  # int8 has no gradients
