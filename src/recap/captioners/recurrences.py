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


def look_up(table: Tensor, places: Tensor, out: Tensor) -> Tensor:
    """Write rows of a table, whatever the number format of `out`.

    Parameters
    ----------
    table : tensor of shape (U, K)
    places : tensor of shape (n,), int64
        Which rows.
    out : tensor of shape (n, K)
        Where to write `table[places]`; returned.
    """
    if out.dtype == table.dtype:
        return torch.index_select(table, 0, places, out=out)
    return out.copy_(table.index_select(0, places))


def read(table: Tensor, places: Tensor, h: Tensor, Wh: Tensor, out: Tensor) -> Tensor:
    """Write what a step's activations are made of, whatever the number format of `out`.

    Parameters
    ----------
    table : tensor of shape (U, K)
        Projections of words.
    places : tensor of shape (n,), int64
        Which words are read.
    h : tensor of shape (n, H)
        The states before the step.
    Wh : tensor of shape (H, K)
    out : tensor of shape (n, K)
        Where to write `table[places] + h Wh`; returned.
    """
    if out.dtype == table.dtype:
        return look_up(table, places, out).addmm_(h, Wh)
    return out.copy_(torch.addmm(table.index_select(0, places), h, Wh))


def write_product(x: Tensor, W: Tensor, out: Tensor) -> Tensor:
    """Write a product, whatever the number format of `out`.

    Parameters
    ----------
    x : tensor of shape (n, K)
    W : tensor of shape (K, H)
    out : tensor of shape (n, H)
        Where to write `x W`; returned.
    """
    return torch.mm(x, W, out=out) if out.dtype == x.dtype else out.copy_(x @ W)


def table_gradient(da: Tensor, places: Tensor, rows: int) -> Tensor:
    """Return the gradient of a table; the copies of a row are summed in float32 at least.

    Parameters
    ----------
    da : tensor of shape (P, K)
        That of `table[places]`.
    places : tensor of shape (P,), int64
    rows : int
        Of the table, U.

    Returns
    -------
    tensor of shape (U, K)
    """
    counts = places.bincount(minlength=rows)
    by_row = places.argsort(stable=True)
    return F.embedding_bag(by_row, da, counts.cumsum(0) - counts, mode="sum")


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

    `a` is `table[places]`: of each word once. Called as `RNNRecurrence.apply(table, places, h0, Wh,
    sizes)` with `table` (U, H), `h0` (N, H) and `Wh` (H, H) of one dtype, `places` (P,), int64, and
    the steps' sizes; returns `h` (P, H).
    """

    @staticmethod
    def forward(
        ctx, table: Tensor, places: Tensor, h0: Tensor, Wh: Tensor, sizes: Sequence[int]
    ) -> Tensor:
        """Run the steps."""
        steps = step_slices(sizes)
        h = h0.new_empty(len(places), h0.shape[1])
        states = torch.empty_like(h0, dtype=exact_precision(h0))
        previous = h0
        for rows in steps:
            size = rows.stop - rows.start
            state = read(table, places[rows], previous[:size], Wh, out=states[:size])
            previous = h[rows].copy_(tanh(state, out=state))
        ctx.save_for_backward(places, h0, h, Wh)
        ctx.steps, ctx.words = steps, len(table)
        return h

    @staticmethod
    def backward(ctx, dh: Tensor) -> tuple[Tensor | None, ...]:
        """Run the steps backwards."""
        places, h0, h, Wh = ctx.saved_tensors
        exact = exact_precision(h)
        da = torch.empty_like(h)
        dstate = torch.zeros_like(h0, dtype=exact)
        for rows in reversed(ctx.steps):
            # A caption that ends at this step still has the zeros of the beginning here.
            d = dstate[: rows.stop - rows.start].add_(dh[rows])
            states = h[rows].to(exact)
            da[rows] = d.addcmul_(d * states, states, value=-1)
            write_product(da[rows], Wh.T, out=d)
        dWh = recurrent_weight_gradient(h0, h, da, ctx.steps)
        dtable = table_gradient(da, places, ctx.words)
        return dtable, None, dstate.to(h0.dtype), dWh, None


class LSTMRecurrence(torch.autograd.Function):
    """The LSTM from an empty memory, as `recap.captioners.layers.lstm_recurrence_forward`.

    `i, f, o, g = a_t + h_{t-1} Wh` in CS231n's order, the first three through a sigmoid, the last
    through tanh; `c_t = f c_{t-1} + i g`, `h_t = o tanh(c_t)`. `a` is `table[places]`: of each word
    once. Called as `LSTMRecurrence.apply(table, places, h0, Wh, sizes)` with `table` (U, 4H), `h0`
    (N, H) and `Wh` (H, 4H) of one dtype, `places` (P,), int64, and the steps' sizes; returns `h`
    (P, H).
    """

    @staticmethod
    def forward(
        ctx, table: Tensor, places: Tensor, h0: Tensor, Wh: Tensor, sizes: Sequence[int]
    ) -> Tensor:
        """Run the steps."""
        exact = exact_precision(h0)
        steps = step_slices(sizes)
        n_units = h0.shape[1]
        gates = h0.new_empty(len(places), 4 * n_units, dtype=exact)
        c, tanh_c = (h0.new_empty(len(places), n_units, dtype=exact) for _ in range(2))
        h = h0.new_empty(len(places), n_units)
        previous_h, previous_c = h0, torch.zeros_like(h0, dtype=exact)
        for rows in steps:
            size = rows.stop - rows.start
            activations = read(table, places[rows], previous_h[:size], Wh, out=gates[rows])
            i, f, o, g = activations.chunk(4, dim=1)
            activations[:, : 3 * n_units].sigmoid_()
            tanh(g, out=g)
            torch.mul(i, g, out=c[rows]).addcmul_(f, previous_c[:size])
            torch.mul(o, tanh(c[rows], out=tanh_c[rows]), out=h[rows])
            previous_h, previous_c = h[rows], c[rows]
        ctx.save_for_backward(places, h0, h, c, tanh_c, gates, Wh)
        ctx.steps, ctx.words = steps, len(table)
        return h

    @staticmethod
    def backward(ctx, dh: Tensor) -> tuple[Tensor | None, ...]:
        """Run the steps backwards."""
        places, h0, h, c, tanh_c, gates, Wh = ctx.saved_tensors
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
            write_product(da[rows], Wh.T, out=dnext_h)
        dWh = recurrent_weight_gradient(h0, h, da, ctx.steps)
        dtable = table_gradient(da, places, ctx.words)
        return dtable, None, dstate.to(h0.dtype), dWh, None


class GRURecurrence(torch.autograd.Function):
    """The GRU, as `recap.captioners.layers.gru_recurrence_forward`.

    Of `a_t` and `u_t = h_{t-1} Wh`, cut into three blocks, `r, z = sigmoid(a + u)`,
    `n = tanh(a_n + r u_n)` and `h_t = n + z (h_{t-1} - n)`. `a` is `table[places]`: of each word
    once. Called as `GRURecurrence.apply(table, places, h0, Wh, sizes)` with `table` (U, 3H), `h0`
    (N, H) and `Wh` (H, 3H) of one dtype, `places` (P,), int64, and the steps' sizes; returns `h`
    (P, H).
    """

    @staticmethod
    def forward(
        ctx, table: Tensor, places: Tensor, h0: Tensor, Wh: Tensor, sizes: Sequence[int]
    ) -> Tensor:
        """Run the steps."""
        exact = exact_precision(h0)
        steps = step_slices(sizes)
        n_units = h0.shape[1]
        gates = h0.new_empty(len(places), 3 * n_units, dtype=exact)
        u_n = h0.new_empty(len(places), n_units, dtype=exact)
        h = h0.new_empty(len(places), n_units)
        previous = h0
        for rows in steps:
            previous = previous[: rows.stop - rows.start]
            u = previous @ Wh
            activations = look_up(table, places[rows], out=gates[rows])
            activations[:, : 2 * n_units].add_(u[:, : 2 * n_units]).sigmoid_()
            r, z, n = activations.chunk(3, dim=1)
            n.addcmul_(r, u_n[rows].copy_(u[:, 2 * n_units :]))
            tanh(n, out=n)
            h[rows] = torch.lerp(n, previous.to(exact), z)
            previous = h[rows]
        ctx.save_for_backward(places, h0, h, u_n, gates, Wh)
        ctx.steps, ctx.words = steps, len(table)
        return h

    @staticmethod
    def backward(ctx, dh: Tensor) -> tuple[Tensor | None, ...]:
        """Run the steps backwards."""
        places, h0, h, u_n, gates, Wh = ctx.saved_tensors
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
        dtable = table_gradient(da, places, ctx.words)
        return dtable, None, dstate.to(h0.dtype), dWh, None


RECURRENCES = {"rnn": RNNRecurrence, "gru": GRURecurrence, "lstm": LSTMRecurrence}


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
