"""One autograd node for a whole chain: the code and ||J||_F^2 together, both gradients in one backward pass.

Notation: layer l has preactivation a_l = W_l h_(l-1) + b_l, output h_l = act(a_l) and slope s_l = act'(a_l). The loss L
has a part N, the sum of g times the norms, which depends on W_l directly and on a_l through s_l.
"""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from contractive.jacobian._chain import Chain, Tape, record, reshaped
from contractive.jacobian._plan import Request, propagation_of
from contractive.jacobian._propagation import Gradients
from contractive.jacobian._shared import autocast_is_on


class ChainNorm(torch.autograd.Function):
    """(code, squared norm) of a chain, without double backward and with weight gradients added in place."""

    @staticmethod
    def forward(
        ctx: Any, chain: Chain, request: Request, x: Tensor, *parameters: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        code, tape = record(chain, x, parameters, slopes=request.rows is None)
        part = tape.select(request.rows)
        ctx.propagation = propagation_of(part, len(x), request, differentiable=any(ctx.needs_input_grad))
        norm, state = ctx.propagation.value(part)
        ctx.layers, ctx.rows, ctx.shape, ctx.device = chain.layers, request.rows, x.shape, x.device.type
        ctx.set_materialize_grads(False)
        last = tape.outputs[-1]
        if chain.layers[-1].activation is None:  # only its shape is needed, and what comes next may overwrite the code
            last = last.new_empty(()).expand(last.shape)
        kept = [*tape.weights, *tape.inputs, *tape.preactivations, *tape.outputs[:-1], last]
        kept += part.slopes if part is tape else [*part.preactivations, *part.outputs, *part.slopes]
        ctx.save_for_backward(*kept, *state)
        return code, norm

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad_code: Tensor | None, grad_norm: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # only under create_graph=True
            raise RuntimeError(
                "code and norm of a chain must be differentiated once, got create_graph=True."
                " Pass `lambda x: encoder(x)` for the encoder: it then goes through autograd, which can go on."
            )
        saved, depth = ctx.saved_tensors, len(ctx.layers)
        fields = [list(saved[i : i + depth]) for i in range(0, (5 if ctx.rows is None else 7) * depth, depth)]
        if ctx.rows is None:
            part = tape = Tape(ctx.layers, *fields)
        else:
            weights, inputs, preactivations, outputs, *of_part = fields
            tape = Tape(ctx.layers, weights, inputs, preactivations, outputs, [])
            part = Tape(ctx.layers, weights, inputs, *of_part)
        # autocast may be on when the backward pass runs; the forward pass was computed without it
        with torch.autocast(ctx.device, enabled=False) if autocast_is_on(ctx.device) else nullcontext():
            gradients = Gradients(part)
            if grad_norm is not None:
                common = _common(grad_norm) if ctx.propagation.asks_common else None
                g = grad_norm if common is None else None
                gradients = ctx.propagation.pull_back(part, list(saved[len(fields) * depth :]), g)
                gradients.scale *= 1.0 if common is None else common
            return None, None, *_backpropagate(ctx, tape, gradients, grad_code)


def _common(values: Tensor) -> float | None:
    """Return the value that all of these have, as under a mean: a factor for the end instead of one for every row."""
    if not values.is_cpu or not values.numel():
        return None  # an accelerator would have to wait for the answer
    first = values[0]
    return float(first) if bool((values == first).all()) else None


def _backpropagate(ctx: Any, tape: Tape, extra: Gradients, grad_code: Tensor | None) -> list[Tensor | None]:
    """Backpropagate through the chain, the norm's gradients joining at each layer. Returns those of x, W_1, b_1, ..."""
    needed = ctx.needs_input_grad[2:]
    result: list[Tensor | None] = [None] * (1 + 2 * tape.depth)
    gradient = None if grad_code is None else reshaped(grad_code, tape.outputs[-1].shape)
    for i in range(tape.depth - 1, -1, -1):
        layer = tape.layers[i]
        delta = _through_activation(tape, i, gradient, extra, ctx.rows)
        if needed[1 + 2 * i]:
            total = extra.weights[i]  # dN/dW_l with all slopes held; delta h_(l-1)^T comes on top, in one product
            if delta is not None:
                total = layer.affine.weight_gradient(delta, tape.inputs[i], tape.weights[i], total, beta=extra.scale)
            elif total is not None:
                total.mul_(extra.scale)
            result[1 + 2 * i] = total
        if delta is None:
            gradient = None
            continue
        if needed[2 + 2 * i]:
            result[2 + 2 * i] = delta.sum((0, *range(2, delta.ndim)))
        if not any(needed[: 1 + 2 * i]):
            return result
        gradient = tape.pull(i, delta)
    result[0] = None if gradient is None else reshaped(gradient, ctx.shape)
    return result


def _through_activation(
    tape: Tape, i: int, gradient: Tensor | None, extra: Gradients, rows: Tensor | None
) -> Tensor | None:
    """Return that in the preactivation: act'(a) times that in the output, plus act''(a) times that in the slope."""
    # dL/da_l = act'(a_l) dL/dh_l + act''(a_l) dN/ds_l
    in_slope, activation = extra.slope(i), tape.layers[i].activation
    delta = gradient
    if gradient is not None and activation is not None:
        if rows is None:
            slope: Any = tape.slopes[i]
            delta = gradient * slope
        else:
            known: Any = (tape.preactivations[i], tape.outputs[i])
            delta = activation.pull(gradient, *known)
    if in_slope is None or activation is None or activation.curvature is None:
        return delta
    a: Any = extra.tape.preactivations[i]  # None where the formulas of the activation need the output alone
    slope_at: Any = extra.tape.slopes[i]
    h = extra.tape.outputs[i]
    in_slope = reshaped(in_slope, h.shape)
    if activation.bend is not None:
        curved = activation.bend(in_slope, a, h, slope_at)
    else:
        curved = activation.curvature(a, h, slope_at).mul_(in_slope)
    if rows is not None:
        # N knows some rows only, L all of them
        delta = torch.zeros_like(tape.outputs[i]) if delta is None else delta
        return delta.index_add_(0, rows, curved, alpha=extra.scale)
    return curved.mul_(extra.scale) if delta is None else delta.add_(curved, alpha=extra.scale)
