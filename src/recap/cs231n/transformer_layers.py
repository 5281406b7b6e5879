"""CS231n's layers of a Transformer; they lie in `recap.captioners.transformer_layers`."""

from recap.captioners.transformer_layers import MultiHeadAttention, PositionalEncoding

__all__ = ["MultiHeadAttention", "PositionalEncoding"]
