"""Sections: activations of the units, and what the code is like."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.studies.metrics import METRICS, Metric
from contractive.studies.pages import Picture, Tile, shown
from contractive.studies.sections._analysis import Analysis, Facts
from contractive.studies.sections._section import UNITS, Caveat, Context, Section, Subject

_MANY_DEAD = 0.25


class Codes(Section[analysis.Codes]):
    """Saturation, dead units and binary codes."""

    name = "codes"
    title = "Activations"
    group = UNITS
    topic = "Code"
    metrics = (
        METRICS["saturation"],
        METRICS["dead"],
        Metric("duplicates", "duplicate units", "%", help="Correlated above 0.99 in size with an earlier unit."),
        Metric("bit_entropy", "entropy of a unit's bit", "bit", help="The bit: above 1/2 or not; mean over units."),
        Metric("code_entropy", "entropy of the binary codes", "bit", help="As counted; at most log2 of the rows."),
        Metric("distinct", "distinct binary codes", "codes", help="Number of them among the rows measured."),
        Metric("hamming", "Hamming distance of two codes", "%", help="Share of the units; 1/2 for fair coins."),
        Metric("spread", "variance / (1/4)", help="Mean over units; 1 where units are 0 and 1 half of the time."),
        Metric("num_examples", "rows", "rows", help="Rows whose codes were looked at."),
    )

    def measure(self, subject: Subject) -> analysis.Codes:
        return analysis.codes(subject.encode, subject.rows.measured)

    def values(self, result: analysis.Codes) -> Mapping[str, float]:
        return {metric.key: getattr(result, metric.key) for metric in self.metrics}

    def arrays(self, result: analysis.Codes) -> Mapping[str, Tensor]:
        return {name: getattr(result, name) for name in ("mean", "deviation", "unit_saturation", "unit_entropy")}

    def pictures(self, results: Mapping[str, analysis.Codes], context: Context) -> Iterable[Picture]:
        caption = (
            "Every line of the picture is a unit, those of highest variance at the top. It is blue where the unit's"
            " activations lie. A unit that is blue at both ends has become a switch. A single blue spot is a unit that"
            " never changes."
        )
        alt = "A heat map with a line per unit and a column per range of activations."
        yield Picture("histograms", "Activations of each unit", caption, plots.code_histograms(results), alt)
        caption = (
            "Units sorted by each metric, the largest first. Saturated: activations below 0.05 or above 0.95 (Rifai et"
            " al. 2011, footnote 6). Entropy of the bit: 1 where a unit is above 1/2 for half of the rows, 0 where it"
            " never crosses 1/2."
        )
        alt = "Lines over the units in descending order: standard deviation, and where they exist saturation, entropy."
        yield Picture("activity", "Activity of the units", caption, plots.unit_activity(results), alt)

    def sentences(self, document: Analysis) -> str:
        keys = ("saturation", "dead", "num_examples", "distinct", "bit_entropy")
        saturation, dead, rows, distinct, bits = (document.value(self.name, key) for key in keys)
        inactive = "No unit is dead." if dead == 0 else f"{shown(dead, '%')} of the units are dead."
        if saturation != saturation:
            return f"The code leaves [0, 1], so that saturation and binary codes are not defined for it. {inactive}"
        extent = "nearly binary" if saturation > 0.8 else "partly binary" if saturation > 0.3 else "far from binary"
        return (
            f"The code is {extent}: {shown(saturation, '%')} of its activations lie below 0.05 or above 0.95. Rounded"
            f" to one bit per unit, the codes of {shown(rows, 'rows')} rows take {shown(distinct, 'codes')} different"
            f" values, and each unit carries {shown(bits)} bits on average. {inactive}"
        )

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        dead = document.value(self.name, "dead")
        if dead > _MANY_DEAD:
            text = f"{shown(dead, '%')} of the units hardly vary, so that the code is smaller than its number of units."
            yield Caveat(4, text)

    def tile(self, document: Analysis) -> Tile | None:
        if "robustness" in document.sections:
            return None  # where there are classes, the accuracy of a classifier says more
        number = shown(document.value(self.name, "saturation"), "%")
        return Tile(number, "of the activations saturated", "below 0.05 or above 0.95", "codes/saturation")


class Similarity(Section[analysis.SimilarityTable]):
    """The code against the rows and their principal components, as many as the code has numbers."""

    name = "similarity"
    title = "Similarity"
    group = UNITS
    metrics = (
        Metric("cka", "linear CKA", help="0 to 1, whatever the rotation and scale; Kornblith et al. 2019."),
        Metric("procrustes", "Procrustes", help="1 where a rotation and a scale turn one into the other."),
        Metric("neighbors", "shared nearest neighbours", "%", help="Share of the ten nearest."),
        Metric("neighbors_chance", "shared by chance", "%", help="The same for unrelated codes."),
    )

    def reason_left_out(self, facts: Facts) -> str:
        return "" if facts.varies else "the code does not vary"

    def measure(self, subject: Subject) -> analysis.SimilarityTable:
        x = analysis.spread_rows(subject.rows.measured, 2000)
        code = analysis.apply(subject.encode, x)
        count = min(code.shape[1], *x.shape)
        linear = analysis.principal_components(torch.nn.Identity(), x, count).coordinates
        codes = {"code": code, f"{count} PCs": linear, "input": x}
        return analysis.similarities(codes, num_neighbors=min(10, len(x) - 1))

    def values(self, result: analysis.SimilarityTable) -> Mapping[str, float]:
        found = {
            f"{key}:{before} and {name}": float(getattr(result, key)[at, earlier])
            for at, name in enumerate(result.names)
            for earlier, before in enumerate(result.names[:at])
            for key in ("cka", "procrustes", "neighbors")
        }
        return found | {"neighbors_chance": result.neighbors_chance}

    def pictures(self, results: Mapping[str, analysis.SimilarityTable], context: Context) -> Iterable[Picture]:
        table = next(iter(results.values()))
        linear = next((name for name in table.names if name.endswith(" PCs")), "")
        against = f" {linear}: as many principal components of the rows as the code has units." if linear else ""
        caption = (
            "How alike two codes of the same rows are, from 0 to 1: linear CKA (Kornblith et al. 2019); the fit after"
            " the best rotation and scale (Procrustes); and the share of the ten nearest neighbours that both have in"
            f" common.{against}"
        )
        title = "What the code is like" if "code" in table.names else "How alike the codes are"
        alt = "Three tables of similarities between all pairs, as coloured cells with numbers."
        yield Picture("similarity", title, caption, plots.similarity(table), alt)
