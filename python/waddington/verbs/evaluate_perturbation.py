"""How good a prediction is, beside what anybody could have predicted without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..metrics import change_scores, energy_distance, wilcoxon_z
from .groups import column, matrix_of
from .logs import dense, log_values, shifted
from .perturb import Prediction
from .shown import Scores

MOST_CELLS = 2000
"""Energy distances are of this many cells at most of either side, drawn at random."""
PREDICTED, CONTROL, HALF = "predicted", "control", "half of the observed"


def evaluate_perturbation(
    prediction: Prediction,
    data: Any,
    observed: Any = None,
    n_top: int = 100,
    n_splits: int = 20,
    n_components: int = 50,
    layer: str | None = None,
    seed: int = 0,
    again: Callable[[np.ndarray], Prediction] | None = None,
) -> Scores:
    """Scores of a prediction and of its baselines against cells that were measured.

    Changes are scored with disjoint halves of the source cells: one half makes the prediction, the
    other is what the observed change is measured from; scores are means over splits. With the same
    cells on both sides their noise is in both changes, and even noise correlates.

    Args:
        prediction: What `predict_perturbation` returned.
        data: An AnnData or Cells with all real cells, those that were held out among them.
        observed: Which of them the prediction is of, numbers or a mask; None is all of the
            prediction's target level and type.
        n_top: How many genes of largest |z| in a Wilcoxon test of observed against source cells
            are scored apart, as "..._top".
        n_splits: Splits into halves; 0 uses all source cells on both sides, which flatters.
        n_components: Principal components of all real cells in which energy distances are.
        layer: The layer of an AnnData that has the data; None is X.
        seed: Of the splits.
        again: How to predict from some of the source cells, given by number, as if the others had
            not been measured. Needed where the source cells that are predicted teach the change
            too, as with combinations: else the other half would have a part in the prediction.

    Returns:
        By row: "predicted"; "no shift", the same way of predicting without any change, which has
        to score 0; the baselines "control", "control + mean shift" and others that the prediction
        brings; and "half of the observed", one half of the observed cells as a prediction of the
        other, which a perfect model could reach. By column: "r2_change" (1 - SSE/SST of changes),
        "r_change" (their correlation) and "direction" (share of genes whose change has the right
        sign, no change counting half), "r2_mean" and "r2_variance" (squared correlations of means
        and variances over genes), all of log expression; and "energy", the distance of the
        populations, 0 if they can't be told apart.

    Raises:
        InputError: If no cells were observed, or too few source cells to be halved.
    """
    x = matrix_of(data, prediction.features, layer)
    rows = observed_cells(prediction, data, x.shape[0], observed)
    if min(len(rows), len(prediction.cells)) < 4:
        told = f"{len(rows)} cells were observed and {len(prediction.cells)} predicted"
        raise InputError(f"{told}; scores take at least 4 of each", "observed")
    logs = log_values(x, prediction.counts)
    seen, before = dense(logs[rows]), dense(log_values(prediction.source, prediction.counts))
    top = most_changed(seen, before, n_top)
    where = _Components(logs, n_components)
    rng = np.random.default_rng(seed)
    splits = list(_halves(len(before), len(seen), n_splits, rng))
    means = [_means(prediction, a, again) for a, *_ in splits]
    scores = Scores()
    for name, made in rows_of(prediction).items():
        scores[name] = _mean(
            [
                _change(m[name], seen.mean(0), m[CONTROL], before[b].mean(0), top)
                for m, (_, b, *_) in zip(means, splits, strict=True)
            ]
        )
        logs = prediction.logs if name == PREDICTED else made
        scores[name] |= _moments(logs, made, seen, top)
        scores[name]["energy"] = where.distance(made, seen, rng)
    scores[HALF] = _ceiling(seen, before, top, splits)
    return scores


def _means(
    prediction: Prediction, half: np.ndarray, again: Callable[[np.ndarray], Prediction] | None
) -> dict[str, np.ndarray]:
    """Mean log expression of each row, of one half of the source cells, (features,)."""
    if again is not None:
        prediction, half = again(half), np.arange(len(half))
    means = {k: x[half].mean(0) for k, x in rows_of(prediction).items()}
    return means | {PREDICTED: prediction.logs[half].mean(0)}


def rows_of(prediction: Prediction) -> dict[str, np.ndarray]:
    """Log expression of each row of the evaluation, (cells, features)."""
    control = dense(log_values(prediction.source, prediction.counts))
    rows = {PREDICTED: dense(log_values(prediction.cells, prediction.counts))}
    if prediction.unchanged is not None:
        rows["no shift"] = dense(log_values(prediction.unchanged, prediction.counts))
    rows[CONTROL] = control
    for name, shift in prediction.shifts.items():
        rows[name] = shifted(control, shift, prediction.counts)
    return rows


def most_changed(seen: np.ndarray, before: np.ndarray, n_top: int) -> np.ndarray:
    """The genes of largest |z| in a Wilcoxon test, the largest first, (n_top,)."""
    return np.argsort(-np.abs(wilcoxon_z(seen, before)), kind="stable")[:n_top]


def observed_cells(prediction: Prediction, data: Any, n: int, given: Any = None) -> np.ndarray:
    """Which of n cells the prediction is of, if none are given.

    Raises:
        InputError: If there are none.
    """
    if given is not None:
        found = np.arange(n)[np.asarray(given)]
    else:
        about = prediction.about
        mine = column(data, about["condition"]) == about["target"]
        if about["cell_type"] is not None and about["of"] is not None:
            mine &= column(data, about["cell_type"]) == about["of"]
        found = np.flatnonzero(mine)
    if not len(found):
        about = prediction.about
        told = f"no cells of {about['of'] or 'any type'} in {about['target']!r} were observed"
        raise InputError(told, "observed")
    return found


def _halves(n: int, n_seen: int, n_splits: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Two halves of the source cells, and two of the observed ones, by split."""
    for _ in range(n_splits):
        a, b = rng.permutation(n), rng.permutation(n_seen)
        yield a[: n // 2], a[n // 2 :], b[: n_seen // 2], b[n_seen // 2 :]
    if n_splits == 0:
        b = rng.permutation(n_seen)
        yield np.arange(n), np.arange(n), b[: n_seen // 2], b[n_seen // 2 :]


def _ceiling(
    seen: np.ndarray, before: np.ndarray, top: np.ndarray, splits: list[tuple]
) -> dict[str, float]:
    """What one half of the observed cells tells of the other."""
    every = []
    for a, b, c, d in splits:
        one, other = seen[c], seen[d]
        own = _change(one.mean(0), other.mean(0), before[a].mean(0), before[b].mean(0), top)
        every.append(own | _moments(one, one, other, top) | {"energy": 0.0})
    return _mean(every)


def _change(
    made: np.ndarray,
    after: np.ndarray,
    control: np.ndarray,
    reference: np.ndarray,
    top: np.ndarray,
) -> dict[str, float]:
    """Scores of one predicted change, over all genes and the top ones."""
    found: dict[str, float] = {}
    for end, g in (("", slice(None)), ("_top", top)):
        parts = (made[g], after[g], control[g], reference[g])
        both = change_scores(*parts)
        found |= {f"{k}{end}": both[k] for k in ("r2_change", "r_change")}
        found[f"direction{end}"] = direction(parts[0] - parts[2], parts[1] - parts[3])
    return found


def direction(guess: np.ndarray, wanted: np.ndarray) -> float:
    """Share of genes whose change has the right sign, (genes,); no change counts half."""
    return float((np.sign(guess) * np.sign(wanted) + 1).mean() / 2)


def _moments(
    means: np.ndarray, made: np.ndarray, seen: np.ndarray, top: np.ndarray
) -> dict[str, float]:
    found = {}
    for end, g in (("", slice(None)), ("_top", top)):
        found[f"r2_mean{end}"] = _r2(means[:, g].mean(0), seen[:, g].mean(0))
        found[f"r2_variance{end}"] = _r2(made[:, g].var(0), seen[:, g].var(0))
    return found


def _r2(a: np.ndarray, b: np.ndarray) -> float:
    """Squared correlation; 0 if either is constant."""
    flat = np.ptp(a) == 0 or np.ptp(b) == 0
    return 0.0 if flat else float(np.corrcoef(a, b)[0, 1] ** 2)


class _Components:
    """Principal components of the log expression of all real cells."""

    def __init__(self, logs: Any, n: int) -> None:
        from sklearn.decomposition import PCA

        self.pca = PCA(min(n, *logs.shape), random_state=0).fit(dense(logs))

    def distance(self, made: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> float:
        """Energy distance of two populations, of MOST_CELLS at most."""
        some = lambda x: x if len(x) <= MOST_CELLS else x[rng.permutation(len(x))[:MOST_CELLS]]
        return energy_distance(*(self.pca.transform(some(x)) for x in (made, seen)))


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {k: float(np.mean([row[k] for row in rows])) for k in rows[0]}
