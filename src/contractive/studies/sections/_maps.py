"""Maps of the code that need a library of their own."""

import numpy as np


def umap_map(codes: np.ndarray, *, num_neighbors: int = 15, min_distance: float = 0.1, seed: int = 0) -> np.ndarray:
    """Compute a map of codes (rows, code) in the plane by UMAP (McInnes et al. 2018), (rows, 2).

    Distances between far clusters mean little on such a map: `analysis.principal_components` is the one to measure on.

    Args:
        codes: One code per row.
        num_neighbors: Neighbours whose distances are kept; fewer rows than that are refused.
        min_distance: How close points may come on the map.
        seed: The same seed gives the same map (and lets UMAP use one thread only).

    Raises:
        ImportError: The library umap-learn is not installed.
        ValueError: Not more rows than neighbours.
    """
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError("umap_map needs umap-learn. Install it: pip install 'contractive[umap]'.") from error
    if len(codes) <= num_neighbors:
        raise ValueError(f"codes must have more than {num_neighbors} rows, got {len(codes)}. Take fewer neighbours.")
    model = UMAP(n_neighbors=num_neighbors, min_dist=min_distance, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(codes), dtype=np.float32)
