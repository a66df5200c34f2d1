"""Importing this module makes RQ tell the recorder which jobs are enqueued and what becomes of them.

RQ's own classes are wrapped, since subclasses miss cron, deferred and in-worker paths. In a web process the middleware
imports this as soon as RQ is imported; a worker says `RQ_CONFIG=recorder.rq` (or `rq worker -c recorder.rq`), or puts
`recorder.django` into INSTALLED_APPS, or imports it. A job carries its cause in `meta["recorder"]`, so that the records
of its execution, in another process, point to the request or job that enqueued it.

A fault of ours is logged and counted and never reaches an enqueue or a job. For RQ 2.0 and later.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import redis.exceptions
import rq.exceptions
import rq.job
import rq.queue
import rq.worker
from rq.exceptions import ShutDownImminentException
from rq.timeouts import BaseTimeoutException
from wrapt import wrap_function_wrapper

from recorder.core import get_recorder
from recorder.events import current_operation
from recorder.job_events import META, Execution, Intent, intend, performing
from recorder.jobs import CHILDREN_TTL, children_key

__all__ = ["connections"]

logger = logging.getLogger("recorder")

Wrapped: TypeAlias = Callable[..., Any]
Args: TypeAlias = tuple[Any, ...]
Kwargs: TypeAlias = dict[str, Any]
Wrapper: TypeAlias = Callable[[Wrapped, Any, Args, Kwargs], Any]

# `rq worker -c` takes its settings from this module *instead of* the environment, so the environment's are passed on.
globals().update({name: value for name, value in os.environ.items() if name.startswith("REDIS_")})

_INTENT = "_recorder_intent"  # on a Job that was made here and is not enqueued yet
_WAITING = "_recorder_waiting"  # on a pipeline: enqueues that are real once it is executed

_DUPLICATE = getattr(rq.exceptions, "DuplicateJobError", ())  # later than RQ 2.0

connections: deque[Any] = deque(maxlen=8)
"""The Redis clients that jobs were enqueued on lately, one for each server; the newest is last."""

announced: dict[str, str] = {}
"""In a work horse that was spawned: the operation that its worker has announced, by job id."""

_executions: dict[str, Execution] = {}  # by job id, in the worker and in its work horse


class _Quietly:
    """Keeps a fault of ours from the host. What RQ raises into a job from a signal (its time is up) passes.

    No generator, and made once for each place: an enqueue goes through several.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if isinstance(error, (BaseTimeoutException, ShutDownImminentException)):
            return False
        try:
            get_recorder().fault(self._where, error)
        except Exception:  # such as settings that cannot be meant
            logger.exception("recorder: %s failed", self._where)
        return True


_quietly = functools.cache(_Quietly)


# Enqueueing


class _Enqueue(NamedTuple):
    """An enqueue whose event is due."""

    job: Any
    intent: Intent
    queue: Any
    status: str
    scheduled_for: datetime | None

    def record(self) -> None:
        with _quietly("rq_enqueue"):
            self.intent.enqueued(self.job, self.queue.name, self.status, self.scheduled_for)

    def take_back(self, error: BaseException | None = None) -> None:
        setattr(self.job, _INTENT, self.intent)
        with _quietly("rq_enqueue"):
            _doubt(self.job, self.queue, error)


def _create(wrapped: Wrapped, _: Any, args: Args, kwargs: Kwargs) -> Any:
    """Job.create: note the cause in the job's meta."""
    job = wrapped(*args, **kwargs)
    with _quietly("Job.create"):
        setattr(job, _INTENT, intend(job, args[0] if args else kwargs.get("func")))
    return job


def _intent_of(job: Any) -> Intent | None:
    return getattr(job, _INTENT, None)


def _adopt(job: Any) -> None:
    """A job that was made elsewhere, or is enqueued again, by a request: as good as a new one.

    Inside a job RQ itself enqueues (retries, repeats, dependents), which is part of what was enqueued before.
    """
    if _intent_of(job) is None and current_operation.get() is not None and performing.get() is None:
        setattr(job, _INTENT, intend(job))


def _doubt(job: Any, queue: Any, error: BaseException | None) -> None:
    """Tell that a job may be in Redis or not: the connection broke before Redis had answered.

    The job keeps its intent. Whoever enqueues it once more has it recorded then.
    """
    intent = _intent_of(job)
    if intent is None:
        return
    broken = isinstance(error, (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError))
    if broken or (isinstance(error, _DUPLICATE) and _is_there(job, intent, queue)):
        intent.doubted(job, queue.name)


def _is_there(job: Any, intent: Intent, queue: Any) -> bool:
    """Whether the job that stands in the way is this very one: redis-py tries again after a cut, and finds its own."""
    found = rq.job.Job.fetch(job.id, connection=queue.connection, serializer=queue.serializer).meta.get(META)
    return isinstance(found, dict) and found.get("operation_id") == intent.operation_id


class _Enqueuing:
    """Around RQ's own call: what breaks in it passes, and leaves word of the jobs of which nobody knows."""

    __slots__ = ("_jobs", "_queue", "_where")

    def __init__(self, where: str, jobs: Iterable[Any], queue: Any) -> None:
        self._where = where
        self._jobs = jobs
        self._queue = queue

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            with _quietly(self._where):
                for job in self._jobs:
                    _doubt(job, self._queue, error)


def _settle(job: Any, queue: Any, pipeline: Any, status: str, scheduled_for: datetime | None = None) -> None:
    """Record the job's enqueue, unless it is recorded: now, or when the caller's pipeline is executed."""
    intent = _intent_of(job)
    if intent is None:
        return
    setattr(job, _INTENT, None)
    due = _Enqueue(job, intent, queue, status, scheduled_for)
    if pipeline is None:
        due.record()
    else:
        _waiting(pipeline).append(due)
    if connections and connections[-1] is queue.connection:
        return
    server = queue.connection.connection_pool.connection_kwargs
    if all(server != known.connection_pool.connection_kwargs for known in tuple(connections)):
        connections.append(queue.connection)


def _waiting(pipeline: Any) -> list[_Enqueue]:
    """The enqueues that wait for this pipeline. One that is never executed enqueues nothing."""
    waiting: list[_Enqueue] | None = getattr(pipeline, _WAITING, None)
    if waiting is not None:
        return waiting
    waiting, execute, reset = [], pipeline.execute, pipeline.reset

    def executed(*args: Any, **kwargs: Any) -> Any:
        due = waiting.copy()
        waiting.clear()  # redis-py resets the pipeline before it returns
        try:
            results = execute(*args, **kwargs)
        except BaseException as error:
            for each in due:
                each.take_back(error)
            raise
        for each in due:
            each.record()
        return results

    def given_up(*args: Any, **kwargs: Any) -> Any:
        while waiting:
            waiting.pop().take_back()
        return reset(*args, **kwargs)

    pipeline.execute, pipeline.reset = executed, given_up
    setattr(pipeline, _WAITING, waiting)
    return waiting


def _enqueue_job(wrapped: Wrapped, queue: Any, args: Args, kwargs: Kwargs) -> Any:
    """Queue._enqueue_job: every path ends here but for deferred and scheduled jobs."""
    job, pipeline, _, unique = _bound(("job", "pipeline", "at_front", "unique"), args, kwargs)
    with _quietly("Queue._enqueue_job"):
        _adopt(job)
    with _Enqueuing("Queue._enqueue_job", [job], queue):
        result = wrapped(*args, **kwargs)
    with _quietly("Queue._enqueue_job"):
        _settle_unique(job, queue) if unique else _settle(job, queue, pipeline, "queued")
    return result


def _schedule_job(wrapped: Wrapped, queue: Any, args: Args, kwargs: Kwargs) -> Any:
    """Queue.schedule_job: enqueue_at, enqueue_in."""
    job, when, pipeline, unique = _bound(("job", "datetime", "pipeline", "unique"), args, kwargs)
    with _quietly("Queue.schedule_job"):
        _adopt(job)
    with _Enqueuing("Queue.schedule_job", [job], queue):
        result = wrapped(*args, **kwargs)
    with _quietly("Queue.schedule_job"):
        _settle_unique(job, queue, when) if unique else _settle(job, queue, pipeline, "scheduled", when)
    return result


def _settle_unique(job: Any, queue: Any, when: datetime | None = None) -> None:
    """RQ enqueues unique jobs by a script of its own, whatever pipeline was given."""
    intent = _intent_of(job)
    if intent is not None and intent.parent_job is not None:
        with queue.connection.pipeline() as pipeline:
            _name_child(pipeline, intent.parent_job, job.id)
            pipeline.execute()
    _settle(job, queue, None, "scheduled" if when else "queued", when)


def _setup_dependencies(wrapped: Wrapped, queue: Any, args: Args, kwargs: Kwargs) -> Any:
    """Queue.setup_dependencies: the job may be deferred, and is not enqueued then."""
    job, pipeline = _bound(("job", "pipeline"), args, kwargs)
    with _quietly("Queue.setup_dependencies"):
        _adopt(job)
    with _Enqueuing("Queue.setup_dependencies", [job], queue):
        result = wrapped(*args, **kwargs)
    with _quietly("Queue.setup_dependencies"):
        if job.get_status(refresh=False) == "deferred":
            _settle(job, queue, pipeline, "deferred")
    return result


def _enqueue_many(wrapped: Wrapped, queue: Any, args: Args, kwargs: Kwargs) -> Any:
    """Queue.enqueue_many: it defers what has open dependencies itself, and executes even a given pipeline for that."""
    jobs = wrapped(*args, **kwargs)
    with _quietly("Queue.enqueue_many"):
        for job in jobs:
            _settle(job, queue, None, "deferred")
    return jobs


def _run_sync(wrapped: Wrapped, queue: Any, args: Args, kwargs: Kwargs) -> Any:
    """Queue.run_sync: an `is_async=False` queue performs the job here and now."""
    (job,) = _bound(("job",), args, kwargs)
    with _quietly("Queue.run_sync"):
        _settle(job, queue, None, "queued")  # the cause before its effects
    return wrapped(*args, **kwargs)


def _save(wrapped: Wrapped, job: Any, args: Args, kwargs: Kwargs) -> Any:
    """Job.save: inside a job, name the child for `recorder.jobs`, in the transaction that enqueues it."""
    result = wrapped(*args, **kwargs)
    intent = _intent_of(job)
    if intent is not None and intent.parent_job is not None:
        with _quietly("Job.save"):
            (pipeline,) = _bound(("pipeline",), args, kwargs)
            if pipeline is not None:
                _name_child(pipeline, intent.parent_job, job.id)
    return result


def _register_dependency(wrapped: Wrapped, job: Any, args: Args, kwargs: Kwargs) -> Any:
    """Job.register_dependency: RQ empties its own set of dependents when it releases them."""
    result = wrapped(*args, **kwargs)
    with _quietly("Job.register_dependency"):
        (pipeline,) = _bound(("pipeline",), args, kwargs)
        if _intent_of(job) is not None:
            for dependency in job._dependency_ids:
                _name_child(job.connection if pipeline is None else pipeline, dependency, job.id)
    return result


def _name_child(pipeline: Any, parent: str, child: str) -> None:
    pipeline.sadd(children_key(parent), child)
    pipeline.expire(children_key(parent), CHILDREN_TTL)


# Performing


def _begin(job: Any) -> Execution | None:
    """The execution of a job that the worker has announced to its work horse, else a new one."""
    execution = _executions.get(job.id) or Execution.of(job)
    if execution is not None:
        if job.id in announced:
            execution.operation = execution.operation._replace(operation_id=announced.pop(job.id))
        _executions[job.id] = execution
    return execution


def _fork_work_horse(wrapped: Wrapped, worker: Any, args: Args, kwargs: Kwargs) -> Any:
    """SpawnWorker.fork_work_horse: its child is a fresh interpreter, which is told to import this module, too."""
    (job,) = _bound(("job",), args, kwargs)
    spawnv, execution = os.spawnv, _executions.get(job.id)

    def recorded(mode: int, path: Any, arguments: Any) -> int:
        if execution is not None and list(arguments[1:2]) == ["-c"]:
            word = f"recorder.rq.announced[{job.id!r}] = {execution.operation.operation_id!r}"
            first = f"try:\n    import recorder.rq\n    {word}\nexcept Exception:\n    pass\n"
            arguments = [*arguments[:2], first + arguments[2]]
        return spawnv(mode, path, arguments)

    os.spawnv = recorded  # type: ignore[assignment]
    try:
        return wrapped(*args, **kwargs)
    finally:
        os.spawnv = spawnv


def _execute_job(wrapped: Wrapped, _: Any, args: Args, kwargs: Kwargs) -> Any:
    """Worker.execute_job: the worker and the work horse that it forks agree on the operation."""
    (job,) = _bound(("job",), args, kwargs)
    with _quietly("Worker.execute_job"):
        _begin(job)
    try:
        return wrapped(*args, **kwargs)
    finally:
        _executions.pop(job.id, None)


def _perform_job(wrapped: Wrapped, _: Any, args: Args, kwargs: Kwargs) -> Any:
    """Worker.perform_job: from before the job's function until Redis knows how it ended."""
    (job,) = _bound(("job",), args, kwargs)
    with _performing(job):
        return wrapped(*args, **kwargs)


@contextmanager
def _performing(job: Any) -> Iterator[Execution | None]:
    execution = None
    with _quietly("rq_job started"):
        execution = _begin(job)
        if execution is not None:
            execution.started()
    operation = current_operation.set(execution.operation if execution else None)
    current = performing.set(job.id)
    try:
        yield execution
    finally:
        performing.reset(current)
        current_operation.reset(operation)
        _executions.pop(job.id, None)


def _run_job(wrapped: Wrapped, _: Any, args: Args, kwargs: Kwargs) -> Any:
    """Queue.run_job: the synchronous execution, which has no worker to tell how it ended."""
    (job,) = _bound(("job",), args, kwargs)
    with _performing(job) as execution:
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            with _quietly("rq_job failed"):
                if execution is not None:
                    execution.failed("failed", error)
            raise
        with _quietly("rq_job finished"):
            if execution is not None:
                execution.finished(job._result)
        return result


def _success(wrapped: Wrapped, _: Any, args: Args, kwargs: Kwargs) -> Any:
    """Worker.handle_job_success: the log knows before Redis does, so who waits for the job finds its end in the log."""
    (job,) = _bound(("job",), args, kwargs)
    with _quietly("rq_job finished"):
        if (execution := _executions.get(job.id)) is not None:
            execution.finished(job._result)
    return wrapped(*args, **kwargs)


def _failure(wrapped: Wrapped, worker: Any, args: Args, kwargs: Kwargs) -> Any:
    """Worker.handle_job_failure: in the work horse after an exception, in the worker when the horse was killed."""
    job, _, _, text = _bound(("job", "queue", "started_job_registry", "exc_string"), args, kwargs)
    with _quietly("rq_job failed"):
        if (execution := _executions.get(job.id)) is not None:
            if worker._stopped_job_id == job.id:
                execution.failed("stopped", None, text or "", "JobStopped")
            else:
                again = bool(job.retries_left and job.retries_left > 0)
                execution.failed("retried" if again else "failed", sys.exc_info()[1], text or "")
    return wrapped(*args, **kwargs)


def _retry(wrapped: Wrapped, _: Any, args: Args, kwargs: Kwargs) -> Any:
    """Worker.handle_job_retry: the job returned Retry, perhaps once too often."""
    job, _, retry = _bound(("job", "queue", "retry"), args, kwargs)
    with _quietly("rq_job retried"):
        if (execution := _executions.get(job.id)) is not None:
            spent = bool(job.number_of_retries and job.number_of_retries >= retry.max)
            text = "The job returned Retry more often than its limit allows." if spent else "The job returned Retry."
            execution.failed("failed" if spent else "retried", None, text, "MaxRetriesExceeded" if spent else "Retry")
    return wrapped(*args, **kwargs)


def _bound(names: tuple[str, ...], args: Args, kwargs: Kwargs) -> list[Any]:
    """The arguments of these names, by position or keyword; None for the absent."""
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]


def _install() -> None:
    job, queue, worker = rq.job.Job, rq.queue.Queue, rq.worker
    # RQ 2.0 has the last five on Worker, later versions on BaseWorker: wherever one is defined.
    workers = {kind for kind in vars(worker).values() if isinstance(kind, type) and issubclass(kind, worker.BaseWorker)}
    spawning = {kind for kind in workers if kind.__name__ == "SpawnWorker"}
    wrappers: tuple[tuple[Iterable[type], str, Wrapper], ...] = (
        ((job,), "create", _create),
        ((job,), "save", _save),
        ((job,), "register_dependency", _register_dependency),
        ((queue,), "_enqueue_job", _enqueue_job),
        ((queue,), "schedule_job", _schedule_job),
        ((queue,), "setup_dependencies", _setup_dependencies),
        ((queue,), "enqueue_many", _enqueue_many),
        ((queue,), "run_sync", _run_sync),
        ((queue,), "run_job", _run_job),
        (spawning, "fork_work_horse", _fork_work_horse),
        (workers, "execute_job", _execute_job),
        (workers, "perform_job", _perform_job),
        (workers, "handle_job_success", _success),
        (workers, "handle_job_failure", _failure),
        (workers, "handle_job_retry", _retry),
    )
    for owners, name, wrapper in wrappers:
        for owner in owners:
            if name in vars(owner):
                wrap_function_wrapper(owner, name, wrapper)


_install()
