"""Clusters of cells as communities of their neighbour graph, with scipy and nothing else.

The graph is that of UMAP (fuzzy, symmetric), the clusters are those of the Leiden algorithm.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy import sparse

BISECTIONS = 40
SEARCHES, MOST = 12, 3000
"""Resolutions tried for a number of clusters, and cells that they are tried on."""


def neighbour_graph(z: np.ndarray, k: int = 15) -> sparse.csr_matrix:
    """How likely cells are neighbours, (cells, cells), symmetric, in [0, 1].

    Each cell is certain of its nearest neighbour, and its k - 1 neighbours count as log2(k) in all.

    Args:
        z: Positions, (cells, n).
        k: Neighbours of a cell, itself included.

    References:
        McInnes et al. (2018), UMAP, arXiv:1802.03426.
    """
    from sklearn.neighbors import NearestNeighbors

    n, k = len(z), min(k, len(z))
    far, near = NearestNeighbors(n_neighbors=k).fit(z).kneighbors(z)
    far, near = far[:, 1:], near[:, 1:]
    beyond = np.maximum(far - far[:, :1], 0.0)
    low, high = np.full(n, 1e-6), np.full(n, max(far.max(), 1e-3) * k)
    for _ in range(BISECTIONS):
        width = np.sqrt(low * high)
        much = np.exp(-beyond / width[:, None]).sum(1) > np.log2(k)
        low, high = np.where(much, low, width), np.where(much, width, high)
    weight = np.exp(-beyond / np.sqrt(low * high)[:, None])
    starts = np.arange(0, n * (k - 1) + 1, k - 1)
    one = sparse.csr_matrix((weight.ravel(), near.ravel(), starts), (n, n))
    return sparse.csr_matrix(one + one.T - one.multiply(one.T))


def leiden(graph: sparse.csr_matrix, resolution: float = 1.0, seed: int = 0) -> np.ndarray:
    """Communities of a weighted graph, (nodes,) codes, those with most nodes first.

    They maximise modularity: weight within communities less `resolution` times what random edges
    would have.

    Args:
        graph: Symmetric weights, (nodes, nodes).
        resolution: Higher finds more and smaller communities.
        seed: Of the order in which nodes are looked at.

    References:
        Traag et al. (2019), Scientific Reports 9, 5233.
    """
    rng = np.random.default_rng(seed)
    scale = resolution / max(graph.sum(), 1e-12)
    found = np.arange(graph.shape[0])
    for _ in range(10):
        before = found
        found = _one_round(graph, found, scale, rng)
        if _same(before, found):
            break
    size = np.bincount(found)
    place = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
    return place[found]


def merged(
    graph: sparse.csr_matrix, parts: np.ndarray, resolution: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Communities that keep given parts whole, (nodes,) codes.

    Args:
        graph: Symmetric weights, (nodes, nodes).
        parts: The part of each node, codes, (nodes,).
        resolution: Higher merges less.
        seed: Of the order in which parts are looked at.
    """
    parts = _numbered(parts)
    join = sparse.csr_matrix((np.ones(len(parts)), (parts, np.arange(len(parts)))))
    return leiden(sparse.csr_matrix(join @ graph @ join.T), resolution, seed)[parts]


def divided(z: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Mean positions of n clusters, (n, dimensions).

    Clusters are communities of the graph of neighbours, at a resolution that makes n; if none does,
    those of k-means.

    Args:
        z: Positions, (cells, dimensions); more than 3,000 are thinned out.
        n: How many.
        seed: Of the clusterings.
    """
    from sklearn.cluster import KMeans

    z = np.asarray(z, dtype=np.float64)[:: max(1, -(-len(z) // MOST))]
    graph, low, high = neighbour_graph(z), 1e-2, 1e2
    for _ in range(SEARCHES):
        middle = np.sqrt(low * high)
        found = leiden(graph, middle, seed)
        if found.max() + 1 == n:
            return np.stack([z[found == k].mean(0) for k in range(n)])
        low, high = (middle, high) if found.max() + 1 < n else (low, middle)
    n_distinct = len(np.unique(z, axis=0))
    centres = KMeans(min(n, n_distinct), n_init=10, random_state=seed).fit(z).cluster_centers_
    return np.resize(centres, (n, z.shape[1]))


def _one_round(
    graph: sparse.csr_matrix, start: np.ndarray, scale: float, rng: np.random.Generator
) -> np.ndarray:
    """Move nodes, refine, merge what was refined to a node, and again until nothing merges."""
    degree = np.asarray(graph.sum(1)).ravel()
    member = np.arange(graph.shape[0])
    block = start
    while True:
        block = _numbered(_move(graph, degree, block, scale, rng))
        parts = _numbered(_refine(graph, degree, block, scale, rng))
        n = int(parts.max()) + 1
        if n == len(parts):
            return block[member]
        join = sparse.csr_matrix((np.ones(len(parts)), (parts, np.arange(len(parts)))))
        graph, degree = sparse.csr_matrix(join @ graph @ join.T), join @ degree
        upper = np.zeros(n, int)
        upper[parts] = block
        member, block = parts[member], upper


def _move(
    graph: sparse.csr_matrix,
    degree: np.ndarray,
    start: np.ndarray,
    scale: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Give each node to the community where it gains most, until none gains."""
    indptr, indices, values = (a.tolist() for a in (graph.indptr, graph.indices, graph.data))
    block, weight = start.tolist(), degree.tolist()
    total = np.bincount(start, degree, minlength=len(start)).tolist()
    queue = deque(rng.permutation(len(start)).tolist())
    waiting = [True] * len(start)
    while queue:
        v = queue.popleft()
        waiting[v] = False
        old, links = block[v], {block[v]: 0.0}
        near = indices[indptr[v] : indptr[v + 1]]
        for u, w in zip(near, values[indptr[v] : indptr[v + 1]], strict=True):
            if u != v:
                links[block[u]] = links.get(block[u], 0.0) + w
        total[old] -= weight[v]
        new = max(links, key=lambda c: links[c] - scale * weight[v] * total[c])
        if links[new] - links[old] <= scale * weight[v] * (total[new] - total[old]) + 1e-12:
            new = old
        total[new] += weight[v]
        if new != old:
            block[v] = new
            for u in near:
                if block[u] != new and not waiting[u]:
                    waiting[u] = True
                    queue.append(u)
    return np.array(block)


def _refine(
    graph: sparse.csr_matrix,
    degree: np.ndarray,
    block: np.ndarray,
    scale: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Merge nodes that are still alone with others of their community: parts that hang together."""
    inside = graph.tocoo()
    keep = (block[inside.row] == block[inside.col]) & (inside.row != inside.col)
    kept = (inside.data[keep], (inside.row[keep], inside.col[keep]))
    graph = sparse.csr_matrix(kept, graph.shape)
    parts, total, alone = np.arange(len(block)), degree.copy(), np.ones(len(block), bool)
    for v in rng.permutation(len(block)):
        here = slice(graph.indptr[v], graph.indptr[v + 1])
        if not alone[v] or here.start == here.stop:
            continue
        target, which = np.unique(parts[graph.indices[here]], return_inverse=True)
        gain = np.bincount(which, graph.data[here]) - scale * degree[v] * total[target]
        best = int(gain.argmax())
        if gain[best] > 0:
            new = target[best]
            alone[v] = alone[new] = False
            total[new] += degree[v]
            parts[v] = new
    return parts


def _numbered(codes: np.ndarray) -> np.ndarray:
    return np.unique(codes, return_inverse=True)[1]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = len(np.unique(np.stack([a, b]), axis=1).T)
    return pairs == len(np.unique(a)) == len(np.unique(b))
