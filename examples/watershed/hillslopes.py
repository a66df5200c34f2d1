"""Channels and the hillslopes that drain into them.

A channel starts where enough area has gathered. A *link* is a piece of channel between two junctions, and a
hillslope is all the ground that drains into one link.
"""

from __future__ import annotations

import numpy as np
from hydrology import Cells, Grid, downhill_order
from numpy.typing import NDArray


def channel_cells(accumulation: Cells, cell_area: float, source_area: float) -> NDArray[np.bool_]:
    """Return where channels run: cells through which at least `source_area` drains (both areas in m²)."""
    return accumulation * cell_area >= source_area


def label_hillslopes(filled: Grid, receivers: Cells, channels: NDArray[np.bool_]) -> Cells:
    """Return the number (1, 2, …) of the hillslope of each cell; 0 for cells that leave the grid before any channel.

    Channel cells carry the number of their own link. A new link starts, going upstream, at each outlet and above each
    junction (a channel cell that two or more channel cells drain into).
    """
    downstream = receivers.ravel()
    in_channel = channels.ravel()
    is_outlet = downstream == np.arange(downstream.size)
    inflows = np.bincount(downstream[in_channel & ~is_outlet], minlength=downstream.size)
    starts_link = in_channel & (is_outlet | (inflows[downstream] > 1))

    labels = [0] * downstream.size
    links = 0
    receiver_of, starts = downstream.tolist(), starts_link.tolist()
    for cell in reversed(downhill_order(filled)):
        if starts[cell]:
            links += 1
            labels[cell] = links
        else:
            labels[cell] = labels[receiver_of[cell]]
    return np.array(labels, dtype=np.int64).reshape(receivers.shape)
