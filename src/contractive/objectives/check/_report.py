"""The findings of a check, in numbers and in plain words."""

import math
from dataclasses import dataclass

MISTAKES = {
    "summed outputs": "It is ||J^T 1||^2: the units of the code were summed before differentiating. Differentiate each"
    " unit on its own, or give the units random signs and average over draws.",
    "summed inputs": "It is ||J 1||^2: the weights of a unit were summed before squaring. Square first, then sum.",
    "last layer only": "It is the one-layer formula with the last weight, and the encoder has more layers."
    " Differentiate through all of them, with contractive.value_and_squared_norm or autograd.",
    "sigmoid slope": "It takes h (1 - h), the slope of a sigmoid, for another activation. Use that one's own slope.",
    "slope dropped": "It is ||W||^2 without the slope of the activation. Multiply row j of W by act'(a_j).",
    "not squared": "It is ||J||, the root of the penalty. Leave out .sqrt(), or square .norm().",
    "floor division": "It is rounded down, which has no gradient. Divide with / instead of //.",
    "constant factor": "The norm is multiplied by {factor}. Leave that out, or fold it into the weight of the penalty.",
    "stale weight": "It does not follow the weights: it uses a copy made earlier. Read the weight at every call.",
    "detached weight": "The gradient through the weight is missing. Use layer.weight itself, no copy or .data.",
    "detached slope": "The gradient through the slope of the activation is missing. Do not detach the code.",
    "no gradient": "Its gradient in the parameters is missing or zero: it trains nothing. Keep create_graph=True, and"
    " leave out .detach(), .data, .item() and torch.no_grad().",
    "gradient factor": "Its gradient is {ratio:.4g} times that of its value. Let autograd derive it.",
    "unknown value": "Its value is no multiple of ||J||^2 and no known mistake. Compare with contractive.squared_norm.",
    "unknown gradient": "Its gradient is not that of its value. Let autograd derive it, from the weights themselves.",
    "wrong code": "The code returned with the values is not encoder(x). Return (encoder(x), values).",
    "wrong shape": "It must return one value per example or one for the batch, got shape {got} for {batch} examples."
    " Sum over features and units only.",
    "not a tensor": "It must return a tensor of real numbers, got {got}. Leave out .item() and .tolist().",
    "not finite": "Its value or gradient is nan or infinite. Look for roots and logarithms of zero.",
    "an exception": "It raised {got}. If it is made for one kind of encoder, check it with that one.",
    "too noisy": "The estimate varies too much to be compared. Use more probe vectors, or a larger batch.",
}


@dataclass(frozen=True)
class EncoderCheck:
    """The findings with one encoder; true if all is right.

    Attributes:
        encoder: Its name.
        value_right: True if the value is ||J||_F^2, per example or as batch mean or sum.
        gradient_right: True if the gradient in the parameters is that of ||J||_F^2.
        value_error: ||value - truth|| / ||truth||; nan where there is nothing to compare.
        gradient_error: The same for the gradient.
        gradient_cosine: Cosine of the angle to the true gradient.
        reduction: `per example`, `batch mean` or `batch sum`; `unknown` where there is nothing to compare.
        factor: Constant before ||J||^2, such as `1`, `1/2` or `1/(d*k)`; empty if it is no multiple of it.
        stochastic: True if two calls differed. The mean of many was compared then, by its standard error.
        mistakes: Keys of `MISTAKES`.
        findings: For each mistake one or two sentences on what is wrong and what to do.
    """

    encoder: str
    value_right: bool = False
    gradient_right: bool = False
    value_error: float = math.nan
    gradient_error: float = math.nan
    gradient_cosine: float = math.nan
    reduction: str = "unknown"
    factor: str = ""
    stochastic: bool = False
    mistakes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.value_right and self.gradient_right

    def __str__(self) -> str:
        if self:
            return f"{self.encoder}: right, {self.reduction}{', unbiased estimate' * self.stochastic}"
        head = f"{self.encoder}: {', '.join(self.mistakes)}"
        if math.isnan(self.value_error):
            return head
        errors = f"value {self.value_error:.2g}, gradient {self.gradient_error:.2g}"
        return f"{head} (relative error of the {errors}; cosine {self.gradient_cosine:.2f})"


@dataclass(frozen=True)
class PenaltyCheck:
    """The outcome with every encoder; true only if all is right with all of them. Print it for a report."""

    encoders: tuple[EncoderCheck, ...]

    def __bool__(self) -> bool:
        return all(self.encoders)

    def __str__(self) -> str:
        wrong = sum(not one for one in self.encoders)
        verdict = f"wrong with {wrong} of {len(self.encoders)} encoders" if wrong else "right"
        findings = {text: name for one in self.encoders for name, text in zip(one.mistakes, one.findings, strict=True)}
        explained = [f"{name}: {text}" for text, name in findings.items()]
        return "\n".join([f"The penalty is {verdict}.", *(f"  {one}" for one in self.encoders), *explained])
