"""Geometry of latent positions: paths between two, and how far from all cells a position is."""

from __future__ import annotations

import numpy as np
from scipy import sparse

NEIGHBOURS = 15


def straight(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """The line from a to b, (steps, n)."""
    share = np.linspace(0, 1, steps)[:, None]
    return (1 - share) * a + share * b


def slerp(a: np.ndarray, b: np.ndarray, steps: int, centre: np.ndarray) -> np.ndarray:
    """The arc from a to b around `centre`, (steps, n); the distance from it changes evenly.

    Draws of a normal prior lie near a sphere, and so does the arc; a line cuts through its inside.

    References:
        White (2016), Sampling generative networks, arXiv:1609.04468.
    """
    u, v = a - centre, b - centre
    long = np.linalg.norm(u), np.linalg.norm(v)
    if min(long) < 1e-9:
        return straight(a, b, steps)
    u, v = u / long[0], v / long[1]
    angle = np.arccos(np.clip(u @ v, -1, 1))
    if np.sin(angle) < 1e-6:
        return straight(a, b, steps)
    t = np.linspace(0, 1, steps)[:, None]
    turn = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return centre + turn * ((1 - t) * long[0] + t * long[1])


def along(a: np.ndarray, b: np.ndarray, steps: int, cells: np.ndarray) -> np.ndarray:
    """The shortest way from a to b from cell to neighbouring cell, evenly cut, (steps, n).

    An edge costs the square of its length, so that many short steps through dense regions are
    shorter than a leap over a gap; neighbourhoods grow until the way exists.

    Args:
        a: Where it starts.
        b: Where it ends.
        steps: Points along it.
        cells: Latent positions, (cells, n).
    """
    from scipy.sparse.csgraph import dijkstra

    points = np.vstack([a, b, cells])
    k = min(NEIGHBOURS, len(points) - 1)
    while True:
        away, before = dijkstra(
            _graph(points, k), directed=False, indices=0, return_predecessors=True
        )
        if np.isfinite(away[1]) or k == len(points) - 1:
            break
        k = min(2 * k, len(points) - 1)
    way = [1]
    while way[-1] != 0:
        way.append(int(before[way[-1]]))
    corners = points[way[::-1]]
    far = np.append(0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
    at = np.linspace(0, far[-1], steps)
    return np.column_stack([np.interp(at, far, column) for column in corners.T])


def novelty(positions: np.ndarray, cells: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """How far from all cells positions are, (positions,): the share of cells that are nearer.

    Compared are mean distances to the k nearest cells; above 0.95 a position is off the manifold.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(cells) - 1)
    near = NearestNeighbors(n_neighbors=k + 1).fit(cells)
    usual = np.sort(near.kneighbors(cells)[0][:, 1:].mean(1))
    here = near.kneighbors(positions, n_neighbors=k)[0].mean(1)
    return np.searchsorted(usual, here) / len(usual)


def _graph(points: np.ndarray, k: int) -> sparse.csr_matrix:
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(points, k, mode="distance")
    graph.data = np.maximum(graph.data, 1e-9) ** 2
    return graph
