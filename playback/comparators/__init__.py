"""Comparators: is a file that a playback produced still what the baseline says?

    compare(method, expected, actual, params) ─▶ Comparison(result, summary, details, pictures)

| method           | equal means                                       | params                                      |
|------------------|---------------------------------------------------|---------------------------------------------|
| `exact_hash`     | the same bytes                                    |                                             |
| `json_exact`     | the same JSON values, in any order of keys        |                                             |
| `json_tolerance` | the same, numbers within a tolerance              | `tolerance`, `relative`                     |
| `text_diff`      | the same lines with the same line ends            | `ignore_lines`                              |
| `tabular_diff`   | the same columns and rows of a CSV or TSV         | `tolerance`, `relative`, `key`,             |
|                  |                                                   | `ignore_columns`, `delimiter`               |
| `raster_stats`   | the same grid and cells, or statistics in bounds  | `tolerance`                                 |
| `sqlite_diff`    | the same schema and rows, in any order            | `ignore_tables`, `ignore_columns`           |
| `archive_diff`   | the same members of a zip or tar, in any order    |                                             |

A tolerance is absolute, relative or both, for all numbers or by column, JSON pointer, statistic and band (`tolerances`).
Numbers are equal by value; NaN equals NaN and nothing else. A file that is missing, empty or cannot be read is a
failed comparison with a sentence that says so, never an exception and never a pass.

Third parties add methods through the entry-point group `profile_test_engine.comparators`; an entry names a
`Comparator`.
"""

from .comparison import Comparator, Comparison, Unreadable
from .params import Params
from .registry import compare, default_method, load, methods, validate_params

__all__ = [
    "Comparator",
    "Comparison",
    "Params",
    "Unreadable",
    "compare",
    "default_method",
    "load",
    "methods",
    "validate_params",
]
