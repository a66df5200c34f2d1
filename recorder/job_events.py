"""What is recorded about background jobs, free of RQ's own code: jobs are only read, never imported for.

A job is noted as an *intent* when it is made, becomes an `rq_enqueue` event when it is really in Redis, and each
*execution* of it, perhaps in another process, becomes a pair of `rq_job` events.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import time
import traceback
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from recorder.core import Recorder, get_recorder
from recorder.events import Operation, RunContext, Session, Stage, current_operation, jsonable, ulid
from recorder.log import LOG_NAME
from recorder.redaction import Redactor
from recorder.settings import Settings

__all__ = ["META", "Execution", "Intent", "intend", "performing"]

META = "recorder"  # the key in a job's meta
LIMIT = 65_536  # bytes of JSON; longer arguments and results are told by the beginning of their repr
_WRAPPED = 16  # decorators around a function that are looked through
TRACEBACK_LIMIT = 16_384  # characters, from the end

performing: ContextVar[str | None] = ContextVar("recorder.performing", default=None)
"""The id of the job that is being performed in this context."""


class Intent(NamedTuple):
    """A job that was made and is not enqueued yet: what its `rq_enqueue` will say."""

    recorder: Recorder
    operation_id: str
    cause: Operation | None
    capture_ids: tuple[str, ...]
    parent_job: str | None
    parameters: tuple[str, ...]

    def enqueued(self, job: Any, queue: str, status: str, scheduled_for: datetime | None) -> None:
        """Record that the job is in Redis: `queued`, `deferred` or `scheduled`."""
        arguments = _arguments(self.recorder, job, self.parameters)
        when = scheduled_for.astimezone(UTC).isoformat(timespec="microseconds") if scheduled_for else None
        payload = {
            "job_id": job.id,
            "queue": queue,
            "function": function_name(job),
            **arguments,
            "depends_on": list(job._dependency_ids),
            "status": status,
            "scheduled_for": when and when.replace("+00:00", "Z"),
            "result_ttl": job.result_ttl,
        }
        cause = self.cause
        self.recorder.emit(
            "rq_enqueue",
            None,
            payload,
            operation_id=self.operation_id,
            parent_id=cause.operation_id if cause else None,
            run_context=cause.run_context if cause else None,
            session=cause.session if cause else None,
            capture_ids=self.capture_ids,
            log_dir=cause.log_dir if cause else None,
        )

    def doubted(self, job: Any, queue: str) -> None:
        """Record that nobody knows whether the job is in Redis: the connection broke while it was being enqueued."""
        cause = self.cause
        sentence = (
            f"the connection to Redis broke while job {job.id} was being enqueued on {queue}, and Redis may have it"
        )
        self.recorder.emit(
            "system_log",
            None,
            {"kind": "lost", "count": 1, "reason": sentence},
            operation_id=self.operation_id,
            parent_id=cause.operation_id if cause else None,
            run_context=cause.run_context if cause else None,
            session=cause.session if cause else None,
            capture_ids=self.capture_ids,
            log_dir=cause.log_dir if cause else None,
        )


def intend(job: Any, function: object = None) -> Intent | None:
    """Put what a worker has to know into the job's meta, and return the intent; None when recording is switched off.

    `function` is what the job was made of: a callable tells the names of its positional arguments.
    """
    cause = current_operation.get()
    recorder = (cause.recorder if cause else None) or get_recorder()
    if not recorder.settings.enabled:
        return None
    # What no request caused (cron, scripts) belongs to whoever captures everything.
    capture_ids = tuple(cause.capture_ids if cause else recorder.captures.covering(None, None))
    intent = Intent(recorder, ulid(), cause, capture_ids, performing.get(), _parameters(function))
    context = (cause.run_context if cause else None) or {"run_id": None, "config": None}
    in_run = cause is not None and cause.log_dir != recorder.root_logs
    tag = {
        "v": 1,
        "operation_id": intent.operation_id,
        "log": str(cause.log_dir / LOG_NAME) if cause and in_run else None,
        "root": str(recorder.settings.root),
        "run_id": context["run_id"],
        "config": context["config"],
        "capture_ids": list(capture_ids),
        "session": cause.session if cause else None,
        "parent_job": intent.parent_job,
    }
    job.meta = {**(job.meta or {}), META: tag}  # a new dict: the caller may use one for many jobs
    return intent


@dataclass(slots=True)
class Execution:
    """One execution of a job, from `started` to its end; its events share `operation.operation_id`."""

    operation: Operation
    recorder: Recorder
    parent_id: str | None
    job_id: str
    queue: str
    function: str | None
    begun: int  # CLOCK_MONOTONIC, nanoseconds
    job: Any

    @classmethod
    def of(cls, job: Any) -> Execution | None:
        """Return a new execution of the job, by what its meta says; None when recording is switched off."""
        found = job.meta.get(META) if isinstance(job.meta, dict) else None
        tag: dict[str, Any] = found if isinstance(found, dict) and found.get("v") == 1 else {}
        recorder = _recorder_of(tag)
        if not recorder.settings.enabled:
            return None
        context: RunContext | None = None
        if tag.get("run_id") is not None:
            context = {"run_id": tag["run_id"], "config": tag.get("config")}
        session: Session | None = tag.get("session")
        captures = tag["capture_ids"] if "capture_ids" in tag else recorder.captures.covering(None, None)
        log_dir = Path(tag["log"]).parent if tag.get("log") else recorder.root_logs
        operation = Operation(ulid(), log_dir, context, session, tuple(captures), recorder)
        return cls(
            operation,
            recorder,
            tag.get("operation_id"),
            job.id,
            job.origin,
            function_name(job),
            time.monotonic_ns(),
            job,
        )

    def started(self) -> None:
        """Record the beginning. The time that `duration_ms` tells counts from here."""
        self.begun = time.monotonic_ns()
        self._emit("started", duration_ms=None)

    def finished(self, result: object) -> None:
        """Record success."""
        self._emit("finished", result=_redacted(self._redactor(), _limited(result)))

    def failed(
        self, stage: Stage, error: BaseException | None, text: str = "", kind: str = "WorkHorseTerminated"
    ) -> None:
        """Record another end: `failed`, `retried` or `stopped`, with the exception, else what RQ says and its kind."""
        if error is not None:
            kind, message = _kind(error), _message(error)
            text = text or "".join(traceback.format_exception(error))
        else:
            message = text.strip()
        redactor = self._redactor()
        texts = [redactor.scan(each, "text") for each in (message[:LIMIT], text[-TRACEBACK_LIMIT:])]
        message, text = (redactor.render(scanned)[0] for scanned in texts)
        self._emit(stage, error={"type": kind, "message": message, "traceback": text})

    def _redactor(self) -> Redactor:
        """A redactor that knows the secrets among the job's arguments: exceptions like to repeat them."""
        redactor = self.recorder.redactor()
        named = _named(self.job, _parameters(_performed(self.job, self.function)))
        if named is not None:
            redactor.scan(orjson.dumps(named).decode(), "json")
        return redactor

    def _emit(self, stage: Stage, **more: object) -> None:
        payload: dict[str, Any] = {
            "job_id": self.job_id,
            "queue": self.queue,
            "function": self.function,
            "status": stage,
            "duration_ms": round((time.monotonic_ns() - self.begun) / 1e6, 3),
            "result": None,
            "error": None,
        }
        self.recorder.emit(
            "rq_job",
            stage,
            payload | more,
            operation_id=self.operation.operation_id,
            parent_id=self.parent_id,
            run_context=self.operation.run_context,
            session=self.operation.session,
            capture_ids=self.operation.capture_ids,
            log_dir=self.operation.log_dir,
        )


def function_name(job: Any) -> str | None:
    """The import string of what a job calls; None when the job cannot be read here."""
    try:
        instance, name = job.instance, job.func_name
    except Exception:  # rq.exceptions.DeserializationError, or whatever a class's own unpickling raises
        return None
    if instance is None:
        return str(name)
    owner = instance if isinstance(instance, type) else type(instance)
    return f"{owner.__module__}.{owner.__qualname__}.{name}"


def _recorder_of(tag: dict[str, Any]) -> Recorder:
    """The recorder of a job that runs where it was enqueued; else that of RECORDER_*, else that of the job's root."""
    operation = current_operation.get()
    if operation is not None and operation.recorder is not None:
        return operation.recorder
    settings = Settings.from_env()
    if "RECORDER_ROOT" not in os.environ and tag.get("root") and Path(tag["root"]).is_dir():
        settings = replace(settings, root=Path(tag["root"]))
    return get_recorder(settings)


def _parameters(function: object) -> tuple[str, ...]:
    """The names of a callable's positional parameters (an import string's, if it is loaded); `*rest` takes all others."""
    if isinstance(function, str):
        function = _loaded(function)
    given = int(hasattr(function, "__self__"))
    for _ in range(_WRAPPED):
        if isinstance(function, functools.partial):
            given += len(function.args)
            function = function.func
        elif (wrapped := getattr(function, "__wrapped__", None)) is not None:  # by a decorator
            function = wrapped
        else:
            break
    code = getattr(function, "__code__", None)
    if code is None:
        code, given = getattr(getattr(type(function), "__call__", None), "__code__", None), given + 1  # noqa: B004
    if code is None:
        return ()
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    rest = code.co_argcount + code.co_kwonlyargcount
    return (*names[given:], "*" + code.co_varnames[rest]) if code.co_flags & inspect.CO_VARARGS else names[given:]


def _arguments(recorder: Recorder, job: Any, parameters: tuple[str, ...]) -> dict[str, Any]:
    """The job's `args` and `kwargs`, redacted; a positional argument goes by the name of its parameter."""
    named = _named(job, parameters)
    if named is None:
        return {"args": None, "kwargs": None}
    safe = _redacted(recorder.redactor(), named)
    return {"args": [next(iter(each.values())) for each in safe["args"]], "kwargs": safe["kwargs"]}


def _named(job: Any, parameters: tuple[str, ...]) -> dict[str, Any] | None:
    """The job's arguments, each positional one as `{<name of its parameter>: …}`; None when they cannot be read."""
    try:
        args, kwargs = job.args, job.kwargs
    except Exception:  # as in `function_name`
        return None
    rest = parameters[-1][1:] if parameters and parameters[-1].startswith("*") else ""
    names = [*parameters[: -1 if rest else None], *[rest] * len(args)]
    named = [{name: value} for name, value in zip(names, map(_limited, args), strict=False)]
    return {"args": named, "kwargs": {key: _limited(value) for key, value in kwargs.items()}}


def _performed(job: Any, function: str | None) -> object:
    """What a job calls, as far as it is loaded."""
    try:
        instance, name = job.instance, job.func_name
    except Exception:  # as in `function_name`
        return None
    if instance is None:
        return _loaded(function)
    return instance if name == "__call__" else getattr(instance, name, None)


def _loaded(function: str | None) -> object:
    """What an import string names, where its module is loaded already; nothing of the application is imported here."""
    parts = (function or "").split(".")
    for at in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:at]))
        if found is not None:
            for name in parts[at:]:
                owner, found = found, getattr(found, name, None)
                if isinstance(owner, type) and inspect.isfunction(inspect.getattr_static(owner, name, None)):
                    found = functools.partial(found, None)  # whose first parameter RQ gives
            return found
    return None


def _limited(value: object) -> Any:
    plain = jsonable(value)
    if plain is None or type(plain) in (bool, int, float) or (type(plain) is str and len(plain) <= LIMIT // 8):
        return plain
    if len(orjson.dumps(plain)) <= LIMIT:
        return plain
    return {"repr": repr(plain)[:500], "type": f"{type(value).__module__}.{type(value).__qualname__}"}


def _redacted(redactor: Redactor, plain: Any) -> Any:
    text, redactions = redactor.render(redactor.scan(orjson.dumps(plain).decode(), "json"))
    return orjson.loads(text) if redactions else plain


def _kind(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:  # a host's __str__ may do anything
        return f"<str failed: {type(failure).__name__}>"
