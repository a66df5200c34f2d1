"""The tree of a background job, told from Redis alone.

A job's children are the jobs it enqueued (`recorder:children:<id>`, a set that `recorder.rq` keeps), the jobs that
depend on it (RQ's own set, which RQ empties when it releases them, so `recorder.rq` copies it) and those its
`meta["children"]` names. Nothing is unpickled that could import or run code. The connection must not decode responses
(RQ asks for the same).
"""

import base64
import contextlib
import io
import pickle
import time
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from recorder.events import jsonable
from recorder.workers import is_scheduled, listening, living

__all__ = [
    "CHILDREN_TTL",
    "Tree",
    "Watch",
    "absent",
    "aggregate",
    "children_key",
    "is_settled",
    "nodes",
    "tree",
    "wait",
]

Tree = dict[str, Any]
"""`{id, status, function, queue, created_at, enqueued_at, started_at, ended_at, exc_info, abandoned, lacks, tagged, parent,
depends_on, kept, runs, repeats_left, children}`, and `result` where it is known. Times are ISO-8601 UTC or null. `status` is
RQ's, or `gone`: Redis holds no such job (expired, deleted, or never there). `exc_info` is at most the last 4 kB.
`abandoned`: a deferred job that no dependency will release any more, or one whose worker is gone. `lacks`, told once a wait
is over: why a job still waits to be run, `worker` (none listens on its queue) or `scheduler`. `tagged`: the recorder
saw it enqueued; `parent` is then the id of the job that did, null for a request. `kept` is false for a `result_ttl` of 0.
`runs` counts the results that are kept (RQ keeps ten); `repeats_left` is null unless the job has a Repeat."""

CHILDREN_TTL = 86_400  # seconds
ENDED_BADLY = ("failed", "stopped", "canceled")
SEVERITY = (*ENDED_BADLY, "started", "queued", "deferred", "scheduled", "created", "gone", "finished")
TERMINAL = frozenset({*ENDED_BADLY, "gone", "finished"})
TIMES = ("created_at", "enqueued_at", "started_at", "ended_at")
DEPENDENCY = ("dependency_ids", "allow_dependency_failures")
FIELDS = (
    "status", "origin", "description", "meta", "exc_info", "result_ttl", "worker_name", "repeats_left", *TIMES, *DEPENDENCY,
)  # fmt: skip
EXC_LIMIT = 4096  # bytes of a traceback, counted from its end
RESULT_LIMIT = 65_536  # bytes of a packed result; a longer one is not told
LOST = "Moved to FailedJobRegistry, due to AbandonedJobError"  # what RQ says of a job whose worker it missed
CONFIRMED = 0.8  # seconds for which what looks abandoned must look so, less than who waits here waits at a time: it may
# be on its way from one state to the next
TREE_LIMIT = 10_000  # jobs; a tree that grows beyond is cut, not followed for ever
STATUS_PAUSE = 0.5, 1.0  # seconds between status checks, first and longest: what writes no result is noticed this late
IMPATIENT = 1.0  # seconds; a connection whose reads time out earlier (redis-py 8: 5 s unless told) is polled instead


def children_key(job_id: str) -> str:
    """The Redis set that names the jobs `job_id` enqueued or that depend on it."""
    return f"recorder:children:{job_id}"


def tree(job_id: str, connection: Any) -> Tree:
    """One look at a job and all that came of it: one round trip per level of the tree. Redis errors pass through."""
    return Watch(job_id, connection).look()


def wait(job_id: str, connection: Any, seconds: float) -> Tree:
    """The tree as soon as every job in it has ended or can never run, at the latest after `seconds`."""
    return Watch(job_id, connection).wait(seconds)


def nodes(found: Tree) -> Iterator[Tree]:
    """Every job of a tree, parents first."""
    yield found
    for child in found["children"]:
        yield from nodes(child)


def aggregate(found: Tree) -> str:
    """The one status that describes a tree: the first in `SEVERITY` that any of its jobs has."""
    present = {node["status"] for node in nodes(found)}
    return next((status for status in SEVERITY if status in present), "gone")


def absent(job_id: str) -> Tree:
    """The tree of a job that nobody knows."""
    return _blank(job_id, "gone")


def is_settled(found: Tree) -> bool:
    """Whether waiting longer can change nothing: each job has ended or is abandoned."""
    return all(node["status"] in TERMINAL or node["abandoned"] for node in nodes(found))


class Watch:
    """Repeated looks at one tree; remembers what Redis forgets (released dependents, jobs with `result_ttl=0`)."""

    def __init__(self, job_id: str, connection: Any) -> None:
        self.job_id = job_id
        self.connection = connection
        self._functions: dict[str, str | None] = {}
        self._children: dict[str, set[str]] = {}
        self._results: dict[str, str] = {}  # job id → id of its newest result, from where XREAD goes on
        self._seen: dict[str, Tree] = {}
        self._raw: dict[str, dict[str, Any]] = {}  # job id → the fields of its hash, while there is one
        self._suspected: dict[str, float] = {}  # job id → since when it has looked abandoned

    def look(self) -> Tree:
        """The tree as it is now."""
        level, found = [self.job_id], dict[str, Tree]()
        while level and len(found) < TREE_LIMIT:
            for job_id, node in zip(level, self._fetch(level), strict=True):
                found[job_id] = node
            below = {child: None for job_id in level for child in sorted(self._children[job_id])}
            level = [child for child in below if child not in found]
        self._mark_lost(found)
        self._mark_abandoned(found)
        self._seen = found
        return self._assemble(self.job_id, found, set())

    def wait(self, seconds: float) -> Tree:
        """Look until the tree is settled or `seconds` have passed; wakes on results, and now and then without one."""
        deadline = time.monotonic() + seconds
        pause, longest = STATUS_PAUSE
        while True:
            found = self.look()
            left = deadline - time.monotonic()
            if is_settled(found):
                return found
            if left <= 0:
                self._explain(found)
                return found
            self._sleep_until_result(found, min(left, pause))
            pause = min(longest, pause * 1.1)

    def _fetch(self, job_ids: list[str]) -> list[Tree]:
        pipe = self.connection.pipeline(transaction=False)
        for job_id in job_ids:
            # The arguments of a job may be large and never change: read once.
            pipe.hmget(f"rq:job:{job_id}", *FIELDS, *(() if job_id in self._functions else ("data",)))
            pipe.smembers(children_key(job_id))
            pipe.smembers(f"rq:job:{job_id}:dependents")
            pipe.xrevrange(f"rq:results:{job_id}", count=1)
            pipe.xlen(f"rq:results:{job_id}")
        replies = pipe.execute()
        return [self._node(job_id, *replies[5 * i : 5 * i + 5]) for i, job_id in enumerate(job_ids)]

    def _node(
        self, job_id: str, values: list[Any], children: Any, dependents: Any, results: list[Any], runs: int
    ) -> Tree:
        names = FIELDS if job_id in self._functions else (*FIELDS, "data")
        raw = dict(zip(names, values, strict=True))
        known = self._children.setdefault(job_id, set())
        known.update(_text(child) for child in (*children, *dependents))
        if results:
            self._results[job_id] = _text(results[0][0])
        if raw["status"] is None:
            return self._missing(job_id)
        if "data" in raw:
            self._functions[job_id] = _function(raw["data"], raw["description"])
        meta = _plain(raw["meta"])
        meta = meta if isinstance(meta, dict) else {}
        named, tag = meta.get("children"), meta.get("recorder")
        if isinstance(named, list):
            known.update(child for child in named if isinstance(child, str))
        self._raw[job_id] = raw
        status = _text(raw["status"])
        exc_info = _exc_info(raw["exc_info"], results) if status in ("failed", "stopped") else None
        return (
            _blank(job_id, status)
            | {
                "function": self._functions[job_id],
                "queue": _text(raw["origin"]) or None,
                **{name: _text(raw[name]) or None for name in TIMES},
                "exc_info": exc_info,
                "abandoned": status == "failed" and (exc_info or "").startswith(LOST),
                "tagged": isinstance(tag, dict),
                "parent": tag.get("parent_job") if isinstance(tag, dict) else None,
                "depends_on": orjson.loads(raw["dependency_ids"] or b"[]"),
                "runs": runs,
                "kept": _text(raw["result_ttl"]) != "0",
                "repeats_left": int(raw["repeats_left"]) if raw["repeats_left"] else None,
            }
            | (_result(results) if status == "finished" else {})
        )

    def _missing(self, job_id: str) -> Tree:
        last = self._seen.get(job_id) or _blank(job_id, "gone")
        status = last["status"]
        if status not in TERMINAL:
            # RQ deletes at once what succeeded with result_ttl 0, and keeps what failed.
            unkept = _text(self._raw[job_id]["result_ttl"]) == "0"
            status = "finished" if status == "started" or unkept else "gone"
        return last | {"status": status, "abandoned": False, "children": []}

    def _mark_lost(self, found: dict[str, Tree]) -> None:
        """Mark the started jobs whose worker is gone. RQ lets a worker's key expire when its heartbeats fail."""
        workers = {
            node["id"]: _text(self._raw[node["id"]]["worker_name"])
            for node in found.values()
            if node["status"] == "started"
        }
        alive = living({name for name in workers.values() if name}, self.connection) if workers else {}
        for job_id, name in workers.items():
            found[job_id]["abandoned"] = self._confirmed(job_id, bool(name) and name not in alive)

    def _confirmed(self, job_id: str, suspected: bool) -> bool:
        if not suspected:
            self._suspected.pop(job_id, None)
            return False
        return time.monotonic() - self._suspected.setdefault(job_id, time.monotonic()) >= CONFIRMED

    def _explain(self, found: Tree) -> None:
        """Say of jobs that still wait to be run what it is that they lack."""
        waiting = [node for node in nodes(found) if node["status"] in ("queued", "scheduled")]
        served = listening(self.connection) if waiting else set()
        for node in waiting:
            if node["queue"] not in served:
                node["lacks"] = "worker"
            elif node["status"] == "scheduled" and not is_scheduled(node["queue"], self.connection):
                node["lacks"] = "scheduler"

    def _mark_abandoned(self, found: dict[str, Tree]) -> None:
        deferred = [node for node in found.values() if node["status"] == "deferred"]
        if not deferred:
            return
        causes = {node["id"]: node["depends_on"] for node in deferred}
        outside = sorted({cause for ids in causes.values() for cause in ids} - found.keys())
        pipe = self.connection.pipeline(transaction=False)
        for name in outside:
            pipe.hget(f"rq:job:{name}", "status")
        status = dict(zip(outside, map(_text, pipe.execute()), strict=True)) if outside else {}
        status |= {name: node["status"] for name, node in found.items()}
        spread = True
        while spread:  # what waits for an abandoned job is abandoned too
            spread = False
            for node in deferred:
                tolerant = _text(self._raw[node["id"]]["allow_dependency_failures"]) == "1"
                blocking = {"stopped", "canceled", "abandoned"} | (set() if tolerant else {"failed"})
                states = {status.get(cause) for cause in causes[node["id"]]}
                forgotten = self._confirmed(node["id"], "" in states or "gone" in states)
                if not node["abandoned"] and (forgotten or states & blocking):
                    node["abandoned"] = spread = True
                    status[node["id"]] = "abandoned"

    def _assemble(self, job_id: str, found: dict[str, Tree], placed: set[str]) -> Tree:
        placed.add(job_id)
        below = [child for child in self._children[job_id] if child in found and child not in placed]
        below.sort(key=lambda child: (found[child]["created_at"] or "", child))
        children = [self._assemble(child, found, placed) for child in below if child not in placed]
        return found[job_id] | {"children": children}

    def _sleep_until_result(self, found: Tree, seconds: float) -> None:
        limit = self.connection.connection_pool.connection_kwargs.get("socket_timeout")
        if limit is not None and limit < IMPATIENT:
            time.sleep(min(seconds, limit))
            return
        open_jobs = [node["id"] for node in nodes(found) if node["status"] not in TERMINAL]
        streams = {f"rq:results:{job_id}": self._results.get(job_id, "0-0") for job_id in open_jobs}
        longest = seconds if limit is None else min(seconds, limit / 2)
        self.connection.xread(streams, block=max(1, int(1000 * longest)))


def _blank(job_id: str, status: str) -> Tree:
    empty = dict.fromkeys(("function", "queue", *TIMES, "exc_info", "lacks", "parent", "repeats_left"))
    known = {"abandoned": False, "tagged": False, "depends_on": [], "kept": True, "runs": 0, "children": []}
    return {"id": job_id, "status": status, **empty, **known}


def _exc_info(stored: bytes | None, results: list[Any]) -> str | None:
    """The traceback RQ keeps: in the newest result (base64 of zlib), or in the job itself before RQ 1.12."""
    newest = {_text(key): value for key, value in results[0][1].items()} if results else {}
    try:
        if newest.get("exc_string"):
            text = zlib.decompress(base64.b64decode(newest["exc_string"]))
        elif _text(newest.get("type")) == "5":
            return "The job returned Retry more often than its limit allows."
        elif stored:
            text = zlib.decompress(stored)
        else:
            return None
    except (zlib.error, ValueError):
        return None
    return text[-EXC_LIMIT:].decode(errors="replace")


def _result(results: list[Any]) -> dict[str, Any]:
    """What a job returned, under `result`; nothing where it is not plain values or was not kept."""
    newest = {_text(key): value for key, value in results[0][1].items()} if results else {}
    packed = newest.get("return_value") or b""
    if _text(newest.get("type")) != "1" or not 0 < len(packed) <= RESULT_LIMIT:
        return {}
    try:
        packed = base64.b64decode(packed)
        value = _PlainUnpickler(io.BytesIO(packed)).load() if packed[:1] == pickle.PROTO else orjson.loads(packed)
    except Exception:  # as in `_plain`
        return {}
    return {"result": jsonable(value)} if _is_plain(value) else {}


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(key) is str and _is_plain(inner) for key, inner in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _function(packed: bytes | None, description: bytes | None) -> str | None:
    """The import string of a job's function, from its packed call, else from its description."""
    call = _plain(packed)
    if isinstance(call, list | tuple) and len(call) == 4 and isinstance(call[0], str):
        owner = type(call[1])
        return f"{owner.__module__}.{owner.__qualname__}.{call[0]}" if isinstance(call[1], _Opaque) else call[0]
    name = _text(description).partition("(")[0]
    return name if name.replace(".", "").isidentifier() else None


def _plain(packed: bytes | None) -> Any:
    """What RQ's serializers packed (pickle or JSON, perhaps compressed), instances being opaque; None if neither."""
    if not packed:
        return None
    with contextlib.suppress(zlib.error):
        packed = zlib.decompress(packed)
    try:
        return orjson.loads(packed) if packed[:1] in (b"[", b"{") else _PlainUnpickler(io.BytesIO(packed)).load()
    except Exception:  # an unknown serializer or a pickle beyond plain values: the job is shown without this
        return None


class _Opaque:
    """Stands for an instance of a class that is not imported."""

    def __new__(cls, *args: object, **kwargs: object) -> "_Opaque":
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None: ...
    def __call__(self, *args: object, **kwargs: object) -> "_Opaque":
        return self

    def __setstate__(self, state: object) -> None: ...
    def __setitem__(self, key: object, value: object) -> None: ...
    def append(self, item: object) -> None: ...
    def extend(self, items: object) -> None: ...
    def add(self, item: object) -> None: ...


class _PlainUnpickler(pickle.Unpickler):
    """Reads pickles without importing anything."""

    def find_class(self, module: str, name: str) -> type[_Opaque]:
        return type(name, (_Opaque,), {"__module__": module, "__qualname__": name})


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value)
