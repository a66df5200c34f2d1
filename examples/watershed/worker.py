"""An RQ worker that has the numerical libraries loaded before it forks.

RQ forks for each job, so what only the job imports is imported again each time: numpy and rasterio here, which takes
longer than most of the jobs. Used as `rq worker --worker-class worker.WarmWorker wepp`.
"""

import tasks  # noqa: F401  imported for what it loads
from rq import Worker


class WarmWorker(Worker):
    """The plain worker; importing this module is the difference."""
