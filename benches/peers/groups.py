"""Connected components of the accounts: what neither SQL engine nor data frame says by itself."""

import numpy
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import week


def digest(first: numpy.ndarray, other: numpy.ndarray) -> list[int]:
    """The digest of `account_group` from links between accounts."""
    if len(first) == 0:
        return [0, 0, 0]
    accounts, places = numpy.unique(numpy.concatenate([first, other]).astype(numpy.int64), return_inverse=True)
    links = (numpy.ones(len(first), dtype=numpy.int8), (places[: len(first)], places[len(first) :]))
    count, labels = connected_components(coo_array(links, shape=(len(accounts), len(accounts))), directed=False)
    # The accounts are sorted, so the first one seen of a group is its smallest.
    _, smallest = numpy.unique(labels, return_index=True)
    group_id = accounts[smallest][labels]
    size = numpy.bincount(labels, minlength=count)[labels]
    weight = 1 + accounts % week.WEIGHTS
    return [len(accounts), int((weight * group_id).sum()), int((weight * size).sum())]
