"""Jobs that a step enqueued and nobody told of: found in Redis as what was not on the queues before the step.

Workers without the recorder's hook keep no account of what their jobs enqueue, and an answer may name one of several
jobs, or none. Several replays may share a Redis: what names another replay's run is theirs.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import redis

from recorder import jobs

__all__ = ["JobSearch"]

_LISTS = ("rq:queue:{}", "rq:queue:{}:intermediate")
_SORTED = ("rq:wip:{}", "rq:finished:{}", "rq:failed:{}", "rq:deferred:{}", "rq:scheduled:{}", "rq:canceled:{}")
_REPLAY = re.compile(rb"profile;;tmp;;([0-9a-f]{32})")


class JobSearch:
    """Looks through the registries of RQ's queues. `run_id` is this replay's own run, if it has one."""

    def __init__(self, connection: Any, run_id: str | None) -> None:
        self.connection = connection
        self.usable = True
        self.own = (run_id or "").rpartition(";")[2].encode()

    def present(self, queues: Iterable[str]) -> set[str]:
        """Ids of the jobs on the queues and in their registries. When Redis does not answer, it is not asked again."""
        pipe = self.connection.pipeline(transaction=False)
        for queue in queues:
            for key in _LISTS:
                pipe.lrange(key.format(queue), 0, -1)
            for key in _SORTED:
                pipe.zrange(key.format(queue), 0, -1)
        try:
            # A started job stands in its registry as `<job id>:<execution id>`.
            return {member.decode(errors="replace").partition(":")[0] for reply in pipe.execute() for member in reply}
        except redis.RedisError:
            self.usable = False
            return set()

    def found(self, queues: Iterable[str], before: set[str], wanted: Counter[str]) -> list[str]:
        """Ids of new jobs of the wanted functions, at most so many of each, the oldest first."""
        left = Counter(wanted)
        trees, chosen = [], []
        for job_id in self.present(queues) - before:
            tree = jobs.tree(job_id, self.connection)
            if tree["function"] in wanted and not self._is_foreign(job_id):
                trees.append(tree)
        for tree in sorted(trees, key=lambda t: (t["created_at"] or "", t["id"])):
            if left[tree["function"]] > 0:
                left[tree["function"]] -= 1
                chosen.append(str(tree["id"]))
        return chosen

    def _is_foreign(self, job_id: str) -> bool:
        packed = self.connection.hget(f"rq:job:{job_id}", "data") or b""
        with contextlib.suppress(zlib.error):
            packed = zlib.decompress(packed)
        named = set(_REPLAY.findall(packed))
        return bool(named) and self.own not in named
