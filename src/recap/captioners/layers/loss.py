"""Softmax cross-entropy: how surprised the model is by the words of the captions."""

import numpy as np


def cross_entropy(
    scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the weighted sum of the cross-entropies of rows of scores, and its gradient.

    The softmax turns a row `s` of scores into probabilities `p_v = exp(s_v) / Σ_u exp(s_u)`, and
    the loss of a row with target `y` is `-log p_y = log Σ_u exp(s_u) - s_y`. Its derivative with
    respect to `s_v` is `p_v - 1[v = y]`: what the model believed minus what was true.
    Subtracting the row's largest score first changes nothing, and keeps `exp` from overflowing.

    Parameters
    ----------
    scores : array of shape (P, V)
        A score for each word of the vocabulary; overwritten.
    targets : integer array of shape (P,)
        The id of the true word.
    weights : array of shape (P,)
        Factor of each row's loss; zero for a row that does not count.

    Returns
    -------
    loss : float
        `Σ_p weights[p] · -log p_{targets[p]}`, in nats.
    dscores : array of shape (P, V)
        Gradient of the loss with respect to `scores`, in their place.
    """
    rows = np.arange(len(scores))
    scores -= scores.max(axis=1, keepdims=True)
    target_scores = scores[rows, targets]
    exponentials = np.exp(scores, out=scores)
    totals = exponentials.sum(axis=1)
    loss = float(weights @ (np.log(totals) - target_scores))
    dscores = exponentials
    dscores *= (weights / totals)[:, None]
    dscores[rows, targets] -= weights
    return loss, dscores


def temporal_softmax_loss(
    x: np.ndarray, y: np.ndarray, mask: np.ndarray, verbose: bool = False
) -> tuple[float, np.ndarray]:
    """Return the softmax cross-entropy of sequences, and its gradient.

    It is summed over the steps and averaged over the sequences: long captions weigh more. Steps
    that the mask leaves out, those whose target is `<NULL>`, add nothing.

    Parameters
    ----------
    x : array of shape (N, T, V)
        Scores of all words at each step.
    y : integer array of shape (N, T)
        The true word of each step.
    mask : boolean array of shape (N, T)
        Which steps count.
    verbose : bool
        Print the shape of the gradient with a row for each word.

    Returns
    -------
    loss : float
        `1/N Σ_{n,t} mask[n, t] · -log softmax(x[n, t])[y[n, t]]`, in nats a sequence.
    dx : array of shape (N, T, V)
        Gradient of the loss with respect to `x`.
    """
    weights = mask.reshape(-1).astype(x.dtype) / len(x)
    loss, dx = cross_entropy(x.reshape(-1, x.shape[2]).copy(), y.reshape(-1), weights)
    if verbose:
        print("dx_flat: ", dx.shape)
    return loss, dx.reshape(x.shape)
