"""What each part of an event means: (key, type, meaning). `scripts/docs.py` checks that none is missing, a test that none is invented."""

from __future__ import annotations

__all__ = ["CATEGORIES", "ENVELOPE", "KINDS", "SEALED"]

Keys = tuple[tuple[str, str, str], ...]

ENVELOPE: Keys = (
    ("v", "whole number", "Version of the format: 1."),
    ("id", "ULID", "One record. The same in two files only where rotation wrote it twice."),
    ("operation_id", "ULID", "Shared by the records of one operation: the `started` and `finished` of a request, or of one execution of a "
     "job. An enqueue has its own."),
    ("parent_id", "ULID or null", "The `operation_id` of the cause: a `file_upload` names its request, an `rq_enqueue` the request or job "
     "that enqueued, an `rq_job` its `rq_enqueue`."),
    ("writer", "ULID", "One process and one log."),
    ("sequence", "whole number", "Counts the records of a writer from 1. A gap inside means that records were lost."),
    ("timestamp", "time", "ISO 8601, UTC, microseconds. For people, and for order between machines."),
    ("boot_id", "text", "The boot on which `mono_ns` counts: the kernel's, elsewhere a value made at import."),
    ("mono_ns", "whole number", "CLOCK_MONOTONIC in nanoseconds. For order: on one boot, what finished before another began came first."),
    ("category", "text", "One of those below."),
    ("stage", "text or null", "Where the operation is. Null for what happens at once."),
    ("payload", "object", "What the category says."),
    ("session", "object or null", "`recorder_session`, `user` (a keyed hash), `browser`, `viewport`, `theme`, each a text or null."),
    ("run_context", "object or null", "`run_id` and `config` of the run, each a text or null."),
    ("capture_ids", "list of ULIDs", "The open captures that cover it, decided when the request starts; jobs inherit them."),
)  # fmt: skip

SEALED = (
    "chain",
    "list",
    "Only with RECORDER_SEAL: byte offset and digest of the record that the writer wrote before.",
)

REQUEST: Keys = (
    ("method", "text", "As it was sent."),
    ("scheme", "text", "`http` or `https`."),
    ("path", "text", "Raw, percent-encoded, with any mount prefix."),
    ("query", "text", "Raw, without `?`."),
    ("headers", "list of pairs", "In order, names in lower case."),
    ("http_version", "text", "Such as `1.1`."),
)  # fmt: skip
ANSWER: Keys = (
    ("request_body", "body or null", "What the client sent."),
    ("status", "whole number or null", "Null where there was no answer."),
    ("headers", "list of pairs or null", "Of the answer, in order."),
    ("body", "body or null", "What the client got."),
    ("duration_ms", "number", "Milliseconds from the first byte asked to the last byte answered."),
    ("error", "object or null", "`type`, `message`, perhaps `traceback`: the application raised, or the client left (`ClientDisconnect`)."),
)  # fmt: skip
JOB: Keys = (
    ("job_id", "text", "RQ's id."),
    ("queue", "text", "Where it was taken from."),
    ("function", "text or null", "Import string of what it calls."),
    ("status", "text", "The stage, or what RQ says."),
    ("duration_ms", "number or null", "Milliseconds since it started."),
    ("result", "anything", "What it returned."),
    ("error", "object or null", "`type`, `message` and `traceback` of what it raised."),
)  # fmt: skip

CATEGORIES: dict[str, tuple[tuple[tuple[str | None, ...], str, Keys], ...]] = {
    "http_request": (
        (("started",), "Written before the application sees the request.", REQUEST),
        (("finished", "failed"), "Written before the chunk that completes the answer is forwarded. `failed`: the application raised, or "
         "the client left before the answer was complete.", ANSWER),
    ),
    "rq_enqueue": (
        ((None,), "A job was given to RQ.", (
            ("job_id", "text", "RQ's id."),
            ("queue", "text", "Where it was put."),
            ("function", "text or null", "Import string of what it calls."),
            ("args", "list", "Positional arguments."),
            ("kwargs", "object", "Arguments by name."),
            ("depends_on", "list of texts", "Ids of the jobs that it waits for."),
            ("status", "text", "`queued`, `deferred` or `scheduled`."),
            ("scheduled_for", "time or null", "When it is to begin."),
            ("result_ttl", "seconds or null", "0: Redis forgets the job as soon as it has succeeded."),
        )),
    ),
    "rq_job": ((("started", "finished", "failed", "retried", "stopped"), "An execution in a worker.", JOB),),
    "file_upload": (
        ((None,), "A file of a multipart request. Its bytes are kept exactly.", (
            ("field", "text", "Name of the form's field."),
            ("filename", "text", "As the client named it."),
            ("media_type", "text or null", "As the client named it."),
            ("size", "bytes", "Of the content."),
            ("sha256", "text or null", "Of the content."),
            ("ref", "text or null", "Where it lies below `profile.bodies/`."),
        )),
    ),
    "egress": (((None, "started", "finished", "failed"), "Reserved: nothing writes it yet.", ()),),
    "system_log": (
        ((None,), "What the recorder says itself. `kind` says what, and brings the keys below.", (("kind", "text", "One of those."),)),
    ),
}  # fmt: skip

CAPTURE = "`capture_id`, `slug`, `scope`, `notes`"
KINDS: dict[str, tuple[str, str]] = {
    "log_opened": ("`recorder_root`, `pid`, `hostname`, `versions`", "The first record of every writer."),
    "capture_started": (CAPTURE, "A capture was opened."),
    "capture_paused": (CAPTURE, "It was paused."),
    "capture_resumed": (CAPTURE, "It went on."),
    "capture_ended": (CAPTURE, "It was closed."),
    "capture_discarded": (CAPTURE, "It was thrown away."),
    "capture_committed": (CAPTURE, "A reviewer wants its draft made."),
    "capture_snapshot": (f"{CAPTURE}, `unsnapshotted`, `files`, `size`, `skipped`", "The run's directory was copied. `size` is in bytes; "
                         "`skipped` has links, devices and what could not be read."),
    "lost": ("`count`, `reason`", "Records that could not be written, or bodies that could not be stored."),
    "tombstone": ("`record`, `pointer`, `pseudonym`, `length`, `sha256`; `seal` in a sealed log", "A secret was overwritten in an "
     "earlier record; `seal` proves that this was lawful."),
    "redact": ("`capture_id`, `record`, `pointer`", "Somebody asked that this value be taken out."),
    "drop": ("`capture_id`, `records`", "Somebody asked that these requests be no steps of the draft."),
    "note": ("`message`, perhaps `websocket`", "What a reviewer of the draft is to know."),
    "browser": ("`reported`, `operation_id`", "What a page noticed: an object with a `kind`, and the request that it belongs to, if any."),
}  # fmt: skip
