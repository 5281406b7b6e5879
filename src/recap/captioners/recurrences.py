"""PyTorch functions with backward passes of their own: recurrences and loss over packed captions.

They compute what `recap.captioners.layers` does, on the same packed rows (see
`recap.captioners.packing`), and the derivations are told there. Beyond what PyTorch's own layers
do, they touch next to no padding, take the gradient of a recurrent weight in one product over all
steps, and keep the products in the number format of the weights (float32, or bfloat16 where the
processor has units for it) and all else in float32.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F  # noqa: N812

Tensor = torch.Tensor
LOSS_ROWS = 512  # a block of scores of the whole vocabulary that stays in the cache


def tanh(x: Tensor, out: Tensor) -> Tensor:
    """Write the hyperbolic tangent of each element, as `2 / (1 + exp(-2x)) - 1`.

    PyTorch's sigmoid is six times as fast on a processor as its tanh.

    Parameters
    ----------
    x : tensor
    out : tensor of the same shape
        Where to write, which may be `x`; returned.
    """
    torch.mul(x, 2, out=out).sigmoid_()
    return torch.add(out.new_tensor(-1), out, alpha=2, out=out)


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Drop entries at random in training, and scale the others up so that the mean stays.

    N. Srivastava et al., "Dropout", JMLR 15 (2014). PyTorch draws a random number an entry, one
    after the other, which takes a seventh of a step on a processor; a random byte will do.

    Parameters
    ----------
    x : tensor
    probability : float
        With which an entry is dropped, rounded to a 256th below 1.
    training : bool
        Whether to drop anything.
    """
    limit = min(round(256 * probability), 255)
    if not training or limit == 0:
        return x
    draws = torch.randint(-(2**63), 2**63 - 1, (x.numel() // 8 + 1,), device=x.device)
    kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= limit
    return x * kept.to(x.dtype).mul_(256 / (256 - limit))


def step_slices(sizes: Sequence[int]) -> list[slice]:
    """Return the packed rows of each step.

    Parameters
    ----------
    sizes : sequence of int
        How many captions are running at each step; it never rises.
    """
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def exact_precision(x: Tensor) -> torch.dtype:
    """Return the number format for all that is no matrix product: that of `x`, or float32."""
    return torch.promote_types(x.dtype, torch.float32)


def write_product(out: Tensor, x: Tensor, W: Tensor, added: Tensor | None = None) -> Tensor:
    """Write `x W`, or `added + x W`, whatever the number format of `out`; return `out`."""
    if out.dtype != x.dtype:
        return out.copy_(x @ W if added is None else torch.addmm(added, x, W))
    return torch.mm(x, W, out=out) if added is None else torch.addmm(added, x, W, out=out)


def recurrent_weight_gradient(h0: Tensor, h: Tensor, da: Tensor, steps: list[slice]) -> Tensor:
    """Return `Σ_t prev_h[t]ᵀ da[t]` as one product over all steps.

    Parameters
    ----------
    h0 : tensor of shape (N, H)
    h : tensor of shape (P, H)
        Hidden states, packed.
    da : tensor of shape (P, K)
        Gradient of what the weight's product was added to, packed.
    steps : list of slice
        Rows of each step.
    """
    sizes = [rows.stop - rows.start for rows in steps]
    earlier = [h0, *(h[rows] for rows in steps[:-1])]
    previous = torch.cat([states[:size] for states, size in zip(earlier, sizes, strict=True)])
    return previous.T @ da


class RNNRecurrence(torch.autograd.Function):
    """`h_t = tanh(a_t + h_{t-1} Wh)`, as `recap.captioners.layers.rnn_recurrence_forward`.

    Called as `RNNRecurrence.apply(a, h0, Wh, sizes)` with `a` (P, H), `h0` (N, H) and `Wh` (H, H)
    of one dtype, and the steps' sizes; returns `h` (P, H).
    """

    @staticmethod
    def forward(ctx, a: Tensor, h0: Tensor, Wh: Tensor, sizes: Sequence[int]) -> Tensor:
        """Run the steps."""
        steps = step_slices(sizes)
        h = torch.empty_like(a)
        states = torch.empty_like(h0, dtype=exact_precision(a))
        previous = h0
        for rows in steps:
            size = rows.stop - rows.start
            state = write_product(states[:size], previous[:size], Wh, a[rows])
            previous = h[rows].copy_(tanh(state, out=state))
        ctx.save_for_backward(h0, h, Wh)
        ctx.steps = steps
        return h

    @staticmethod
    def backward(ctx, dh: Tensor) -> tuple[Tensor | None, ...]:
        """Run the steps backwards."""
        h0, h, Wh = ctx.saved_tensors
        exact = exact_precision(h)
        da = torch.empty_like(h)
        dstate = torch.zeros_like(h0, dtype=exact)
        for rows in reversed(ctx.steps):
            # A caption that ends at this step still has the zeros of the beginning here.
            d = dstate[: rows.stop - rows.start].add_(dh[rows])
            states = h[rows].to(exact)
            da[rows] = d.addcmul_(d * states, states, value=-1)
            write_product(d, da[rows], Wh.T)
        dWh = recurrent_weight_gradient(h0, h, da, ctx.steps)
        return da, dstate.to(h0.dtype), dWh, None


class LSTMRecurrence(torch.autograd.Function):
    """The LSTM from an empty memory, as `recap.captioners.layers.lstm_recurrence_forward`.

    `i, f, o, g = a_t + h_{t-1} Wh` in CS231n's order, the first three through a sigmoid, the last
    through tanh; `c_t = f c_{t-1} + i g`, `h_t = o tanh(c_t)`. Called as
    `LSTMRecurrence.apply(a, h0, Wh, sizes)` with `a` (P, 4H), `h0` (N, H) and `Wh` (H, 4H) of one
    dtype, and the steps' sizes; returns `h` (P, H).
    """

    @staticmethod
    def forward(ctx, a: Tensor, h0: Tensor, Wh: Tensor, sizes: Sequence[int]) -> Tensor:
        """Run the steps."""
        exact = exact_precision(a)
        steps = step_slices(sizes)
        n_units = h0.shape[1]
        gates = torch.empty_like(a, dtype=exact)
        c, tanh_c = (a.new_empty(len(a), n_units, dtype=exact) for _ in range(2))
        h = a.new_empty(len(a), n_units)
        previous_h, previous_c = h0, torch.zeros_like(h0, dtype=exact)
        for rows in steps:
            size = rows.stop - rows.start
            activations = write_product(gates[rows], previous_h[:size], Wh, a[rows])
            i, f, o, g = activations.chunk(4, dim=1)
            activations[:, : 3 * n_units].sigmoid_()
            tanh(g, out=g)
            torch.mul(i, g, out=c[rows]).addcmul_(f, previous_c[:size])
            torch.mul(o, tanh(c[rows], out=tanh_c[rows]), out=h[rows])
            previous_h, previous_c = h[rows], c[rows]
        ctx.save_for_backward(h0, h, c, tanh_c, gates, Wh)
        ctx.steps = steps
        return h

    @staticmethod
    def backward(ctx, dh: Tensor) -> tuple[Tensor | None, ...]:
        """Run the steps backwards."""
        h0, h, c, tanh_c, gates, Wh = ctx.saved_tensors
        da = torch.empty_like(gates, dtype=h.dtype)
        dstate, dmemory, first_c = (torch.zeros_like(h0, dtype=c.dtype) for _ in range(3))
        earlier_c = [first_c, *(c[rows] for rows in ctx.steps[:-1])]
        for rows, previous_c in zip(reversed(ctx.steps), reversed(earlier_c), strict=True):
            size = rows.stop - rows.start
            i, f, o, g = gates[rows].chunk(4, dim=1)
            # In 16 bits the four are copied there together.
            exact_da = da[rows] if da.dtype == c.dtype else torch.empty_like(gates[rows])
            di, df, do, dg = exact_da.chunk(4, dim=1)
            # A caption that ends at this step still has the zeros of the beginning here.
            dnext_h, dc = dstate[:size].add_(dh[rows]), dmemory[:size]
            through_o = dnext_h * o
            through_both = through_o * tanh_c[rows]
            torch.addcmul(through_both, through_both, o, value=-1, out=do)
            dc.add_(through_o).addcmul_(through_both, tanh_c[rows], value=-1)
            through_i = dc * i
            through_both = through_i * g
            torch.addcmul(through_both, through_both, i, value=-1, out=di)
            torch.addcmul(through_i, through_both, g, value=-1, out=dg)
            dc.mul_(f)
            through_f = dc * previous_c[:size]
            torch.addcmul(through_f, through_f, f, value=-1, out=df)
            if exact_da.dtype != da.dtype:
                da[rows] = exact_da
            write_product(dnext_h, da[rows], Wh.T)
        dWh = recurrent_weight_gradient(h0, h, da, ctx.steps)
        return da, dstate.to(h0.dtype), dWh, None


class GRURecurrence(torch.autograd.Function):
    """The GRU, as `recap.captioners.layers.gru_recurrence_forward`.

    Of `a_t` and `u_t = h_{t-1} Wh`, cut into three blocks, `r, z = sigmoid(a + u)`,
    `n = tanh(a_n + r u_n)` and `h_t = n + z (h_{t-1} - n)`. Called as
    `GRURecurrence.apply(a, h0, Wh, sizes)` with `a` (P, 3H), `h0` (N, H) and `Wh` (H, 3H) of one
    dtype, and the steps' sizes; returns `h` (P, H).
    """

    @staticmethod
    def forward(ctx, a: Tensor, h0: Tensor, Wh: Tensor, sizes: Sequence[int]) -> Tensor:
        """Run the steps."""
        exact = exact_precision(a)
        steps = step_slices(sizes)
        n_units = h0.shape[1]
        gates = torch.empty_like(a, dtype=exact)
        u_n = a.new_empty(len(a), n_units, dtype=exact)
        h = a.new_empty(len(a), n_units)
        previous = h0
        for rows in steps:
            previous = previous[: rows.stop - rows.start]
            u = previous @ Wh
            activations = gates[rows].copy_(a[rows])
            activations[:, : 2 * n_units].add_(u[:, : 2 * n_units]).sigmoid_()
            r, z, n = activations.chunk(3, dim=1)
            n.addcmul_(r, u_n[rows].copy_(u[:, 2 * n_units :]))
            tanh(n, out=n)
            h[rows] = torch.lerp(n, previous.to(exact), z)
            previous = h[rows]
        ctx.save_for_backward(h0, h, u_n, gates, Wh)
        ctx.steps = steps
        return h

    @staticmethod
    def backward(ctx, dh: Tensor) -> tuple[Tensor | None, ...]:
        """Run the steps backwards."""
        h0, h, u_n, gates, Wh = ctx.saved_tensors
        n_units = h0.shape[1]
        da, du = (torch.empty_like(gates, dtype=h.dtype) for _ in range(2))
        dstate = torch.zeros_like(h0, dtype=gates.dtype)
        dgates = torch.empty_like(gates[: len(h0)])
        earlier = [h0, *(h[rows] for rows in ctx.steps[:-1])]
        for rows, previous in zip(reversed(ctx.steps), reversed(earlier), strict=True):
            size = rows.stop - rows.start
            r, z, n = gates[rows].chunk(3, dim=1)
            dr, dz, dn = dgates[:size].chunk(3, dim=1)
            # A caption that ends at this step still has the zeros of the beginning here.
            d = dstate[:size].add_(dh[rows])
            through_z = d * z
            torch.sub(d, through_z, out=dn)
            dn.addcmul_(dn * n, n, value=-1)
            torch.mul(dn * u_n[rows], r, out=dr)
            dr.addcmul_(dr, r, value=-1)
            torch.mul(through_z, previous[:size] - n, out=dz)
            dz.addcmul_(dz, z, value=-1)
            da[rows] = du[rows] = dgates[:size]
            du[rows, 2 * n_units :] = dn * r
            torch.add(through_z, du[rows] @ Wh.T, out=d)
        dWh = recurrent_weight_gradient(h0, h, du, ctx.steps)
        return da, dstate.to(h0.dtype), dWh, None


RECURRENCES = {"rnn": RNNRecurrence, "gru": GRURecurrence, "lstm": LSTMRecurrence}


class LookUp(torch.autograd.Function):
    """Rows of a table, `table[places]`, with a backward pass that sums in float32.

    Called as `LookUp.apply(table, places)` with `table` (U, K) and `places` (P,), int64; returns
    (P, K).
    """

    @staticmethod
    def forward(ctx, table: Tensor, places: Tensor) -> Tensor:
        """Copy the rows."""
        ctx.save_for_backward(places)
        ctx.rows = len(table)
        return table.index_select(0, places)

    @staticmethod
    def backward(ctx, dout: Tensor) -> tuple[Tensor | None, ...]:
        """Sum the gradients of the copies of each row."""
        (places,) = ctx.saved_tensors
        counts = places.bincount(minlength=ctx.rows)
        by_row = places.argsort(stable=True)
        return F.embedding_bag(by_row, dout, counts.cumsum(0) - counts, mode="sum"), None


class VocabularyLoss(torch.autograd.Function):
    """The scores of all words, and their weighted cross-entropy against the true ones.

    Called as `VocabularyLoss.apply(h, W, b, targets, weights)` with hidden states `h` (P, H), `W`
    (H, V) and `b` (V,) of one dtype, `targets` (P,), int64, and `weights` (P,); returns
    `Σ_p weights[p] · -log softmax(h[p] W + b)[targets[p]]`, in nats. The scores are turned into
    their gradient block by block, while a block is in the cache.
    """

    @staticmethod
    def forward(ctx, h: Tensor, W: Tensor, b: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Compute the loss, and with it the gradient of the scores."""
        exact = exact_precision(h)
        dscores = h.new_empty(len(h), W.shape[1])
        weights = weights.to(exact)
        loss = h.new_zeros((), dtype=exact)
        blocks = zip(
            *(part.split(LOSS_ROWS) for part in (h, targets, weights, dscores)), strict=True
        )
        for states, words, factors, gradient in blocks:
            # Of one number format, scores and gradient share their memory.
            scores = torch.addmm(b, states, W, out=gradient).to(exact)
            scores -= scores.amax(1, keepdim=True)
            true_scores = scores.gather(1, words[:, None])[:, 0]
            totals = scores.exp_().sum(1)
            loss += factors @ (totals.log() - true_scores)
            scores *= (factors / totals)[:, None]
            scores.scatter_add_(1, words[:, None], -factors[:, None])
            gradient.copy_(scores)
        ctx.save_for_backward(h, W, dscores)
        return loss

    @staticmethod
    def backward(ctx, dloss: Tensor) -> tuple[Tensor | None, ...]:
        """Pass the gradient of the scores on."""
        h, W, dscores = ctx.saved_tensors
        dh, dW, db = dscores @ W.T, h.T @ dscores, dscores.sum(0)
        return *(gradient.mul_(dloss.to(h.dtype)) for gradient in (dh, dW, db)), None, None
