"""From a recording to a draft: steps in order, values correlated, waits inferred, files laid out beside them.

Everything here is a function of the recorded events, bodies and snapshots, so a rebuilt draft is the same to the byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from assembler.baselines import Baseline
from assembler.clients import Owner, RecordedClient
from assembler.correlation import Correlation
from assembler.document import Noted
from assembler.growing import Growing, correlated
from assembler.parts import Secret
from assembler.polling import Poll, collapse
from assembler.prologue import prologue_of
from assembler.recording import Exchange, Recording
from assembler.run_secrets import KnownSecrets
from assembler.shown import shown
from assembler.steps import StepWriter, step_id
from recorder.manifest import FROM_ENVIRONMENT

__all__ = ["Built", "build"]


@dataclass
class Built:
    """A draft in memory: the document, the files it names (path below the profile → source or bytes), and what to tell."""

    document: dict[str, Any]
    files: dict[str, Path | bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps: int = 0
    prologue: frozenset[str] = frozenset()
    """Operations from before the window that the profile needs; nobody else's belong into it."""
    dropped: frozenset[str] = frozenset()
    """Operations of the window that a reviewer did not want."""
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a reviewer sees of each step, by its id."""


def build(
    recording: Recording,
    slug: str,
    capture: Mapping[str, Any],
    baseline: Baseline,
    digest: Callable[[str], str],
    growing: Growing | None = None,
    unwanted: Collection[str] = (),
) -> Built:
    """The draft of one capture. `capture` is its entry in the manifest; `baseline` what its run left on the disk;
    `digest` makes the pseudonym of a text (its hex); `growing` what was worked out while it was recorded;
    `unwanted` operations are no steps unless others need them."""
    exchanges = recording.exchanges
    captured = [e.index for e in exchanges if e.captured]
    run_id = next(iter(recording.runs), None)
    config = recording.runs[run_id] if run_id is not None else None
    correlation = correlated(recording, growing)
    owners, clients = correlation.owners, correlation.clients.by_name
    mode = "none" if run_id is None else "clone" if baseline.seeded else "created"
    creator = _creator(run_id, captured, correlation) if run_id else None
    needed_by = creator if mode == "created" else None
    wanted = [i for i in captured if exchanges[i].operation_id not in unwanted or i == needed_by]
    before = prologue_of(wanted, owners, correlation)
    kept = [i for i in before if exchanges[i].captured]
    before = [i for i in before if not exchanges[i].captured]
    left_out = frozenset(exchanges[i].operation_id for i in {*captured} - {*wanted} - {*kept})
    captured = sorted([*wanted, *kept])
    correlation.settle(digest)
    polls = [
        p for p in collapse(exchanges, owners, correlation.answers, captured) if mode != "clone" or p.index != creator
    ]

    taken: dict[str, int] = {}
    ids = {index: step_id(exchanges[index], taken, run_id, config) for index in [*before, *(p.index for p in polls)]}
    folded = {earlier: p.index for p in polls for earlier in p.earlier}
    begun = exchanges[captured[0]].timestamp if captured else 0.0
    owners, clients = _renamed(owners, clients, ids)
    created = (creator, run_id) if mode == "created" and creator is not None and run_id else None
    writer = StepWriter(recording, owners, clients, correlation, ids, folded, created, begun)
    prologue = [writer.write(Poll(index), None) for index in before]
    steps = [writer.write(p, _previous(p, exchanges, captured)) for p in polls]

    document: dict[str, Any] = {"metadata": _metadata(slug, mode, run_id, config, capture, recording)}
    document["metadata"]["clients"] = {
        name: {"headers": {"user-agent": c.agent}}
        for name, c in clients.items()
        if c.agent and any(owners[i].client == name for i in ids)
    }
    secrets = {p.name for i in ids for _, parts in correlation.filled(i).slots for p in parts if isinstance(p, Secret)}
    document["prerequisites"] = _prerequisites(secrets, recording)
    if prologue:
        document["prologue"] = Noted(prologue, "From before the capture began: what its first requests already had.")
    document["steps"] = steps
    needed = frozenset(exchanges[index].operation_id for index in before)
    built = Built({}, writer.files, writer.problems, [*recording.notes, *writer.warnings], len(steps), needed, left_out)
    built.warnings.extend(_kept(kept if needed_by is None else [needed_by, *kept], exchanges, unwanted, ids))
    for poll in polls:
        built.shown[ids[poll.index]] = shown([exchanges[i] for i in (*poll.earlier, poll.index)], recording.bodies)
    if not steps:
        built.problems.append("The capture holds no answered request; there is nothing to replay.")
    _tell_other_runs(recording, steps, built)
    if mode == "created" and creator is None:
        built.problems.append(
            f"The run {run_id!r} was there before the capture began and has no <config>.cfg, so a replay has nothing to clone. "
            "Record its creation, too, or put what it begins with into seed/run/ and say `run: clone` in metadata; "
            "where it is always there, record without RECORDER_RUN_PATTERN."
        )
    document["comparisons"] = _comparisons(mode, baseline, built)
    if document["comparisons"] or baseline.seed:
        _take_secrets_out(KnownSecrets(recording, capture["_logs"]), document["comparisons"], built)
    document["notes"] = "" if capture.get("notes") == FROM_ENVIRONMENT else str(capture.get("notes") or "")
    document["metadata"] = {k: v for k, v in document["metadata"].items() if v not in (None, {}, [])}
    built.document = {k: v for k, v in document.items() if k == "steps" or v not in ([], "", {})}
    return built


def _kept(
    indices: Sequence[int], exchanges: Sequence[Exchange], unwanted: Collection[str], ids: Mapping[int, str]
) -> list[str]:
    """Sentences about the steps that somebody wanted out of the draft and others cannot do without."""
    return [
        f"step {ids[index]} was to be dropped, but later steps need what was answered to it; it stays."
        for index in indices
        if exchanges[index].operation_id in unwanted and index in ids
    ]


def _creator(run_id: str, captured: Sequence[int], correlation: Correlation) -> int | None:
    """The exchange whose answer first named the run, unless a request knew it before."""
    for index in captured:
        exchange, answer = correlation.exchanges[index], correlation.answers[index]
        if any(run_id in slot.value for slot in correlation.slots[index]):
            return None
        if run_id in (answer.text or "") or any(run_id in unquote(v) for _, v in answer.headers):
            return None if exchange.safe else index
    return None


def _tell_other_runs(recording: Recording, steps: Sequence[Noted], built: Built) -> None:
    """A profile clones one run. A request that names another would reach that one itself."""
    for other in [*recording.runs][1:]:
        named = [s.value for s in steps if other in re.split(r"[/?]", unquote(str(s.value["path"])))]
        unsafe = [step for step in named if step["method"] not in ("GET", "HEAD", "OPTIONS")]
        if unsafe:
            built.problems.append(
                f"step {unsafe[0]['id']}: {unsafe[0]['method']} {unsafe[0]['path']} would change the run {other!r} itself: a replay "
                "clones one run only. Record each run in a capture of its own, or take the step out."
            )
        elif named:
            built.warnings.append(
                f"step {named[0]['id']} reads the run {other!r} itself, as a replay clones one run only; it must be there."
            )


def _renamed(
    owners: Sequence[Owner], clients: Mapping[str, RecordedClient], ids: Mapping[int, str]
) -> tuple[list[Owner], dict[str, RecordedClient]]:
    """Owners and clients with the names counted among the steps alone: whoever sends the first of them is `main`."""
    names: dict[str, str] = {}
    for name in [*(owners[index].client for index in ids), *clients]:
        names.setdefault(name, f"client-{len(names) + 1}" if names else "main")
    return [replace(o, client=names[o.client]) for o in owners], {names[n]: c for n, c in clients.items()}


def _previous(poll: Poll, exchanges: Sequence[Exchange], captured: Sequence[int]) -> Exchange | None:
    position = captured.index((*poll.earlier, poll.index)[0])
    return exchanges[captured[position - 1]] if position else None


def _metadata(
    slug: str, mode: str, run_id: str | None, config: str | None, capture: Mapping[str, Any], recording: Recording
) -> dict[str, Any]:
    captured = recording.captured
    recorded: dict[str, Any] = {"origin": captured[0].origin if captured else None}
    recorded["also"] = sorted({e.origin for e in captured} - {recorded["origin"]}) or None
    recorded["run_id"], recorded["config"] = run_id, config
    recorded["capture_id"] = capture.get("capture_id")
    if captured:
        recorded["started"] = _iso(captured[0].timestamp)
        recorded["ended"] = _iso(max(e.timestamp + (e.duration_ms or 0) / 1000 for e in captured))
    return {
        "slug": slug,
        "title": slug.replace("-", " ").replace("_", " ").capitalize(),
        "rq_required": any(e.awaited_jobs for e in captured),
        "run": mode,
        "run_page": _run_page(run_id, config, captured) if run_id else None,
        "recorded_with": {k: v for k, v in recorded.items() if v is not None},
        "not_replayed": [*recording.not_replayed],
    }


def _run_page(run_id: str, config: str | None, captured: Sequence[Exchange]) -> str | None:
    """The path below which the run's own pages lie, as a template."""
    for exchange in captured:
        head, marker, rest = unquote(exchange.path).partition(f"/{run_id}/")
        if marker:
            page = f"{head}/{{{{ run_id }}}}/"
            return f"{page}{{{{ config }}}}/" if config and rest.startswith(f"{config}/") else page
    return None


def _prerequisites(secrets: set[str], recording: Recording) -> dict[str, Any]:
    prerequisites: dict[str, Any] = {}
    if secrets:
        prerequisites["environment"] = sorted(f"PROFILE_SECRET_{name}" for name in secrets)
    queues = sorted({job.queue for e in recording.captured for root in e.awaited_jobs for job in root.tree()})
    if queues:
        prerequisites["services"] = ["redis", *(f"rq worker on queue {q}" for q in queues)]
    return prerequisites


def _comparisons(mode: str, baseline: Baseline, built: Built) -> list[dict[str, Any]]:
    if mode != "clone":
        if baseline.outputs:
            built.warnings.append(
                f"The run wrote {len(baseline.outputs)} files. They are not compared: no <config>.cfg was captured, "
                "so a replay has no directory of its own."
            )
        return []
    if baseline.created:
        built.warnings.append(
            "Not compared, because it was written before the first request to the run, and a replay begins with the run's "
            f"configuration alone: {', '.join(baseline.created)}."
        )
    built.files.update({f"seed/run/{name}": source for name, source in baseline.seed.items()})
    built.files.update({f"baseline/run/{item.path}": item.source for item in baseline.outputs})
    return [{"target": item.path, "method": Noted(item.method, item.evidence)} for item in baseline.outputs]


def _take_secrets_out(known: KnownSecrets, comparisons: list[dict[str, Any]], built: Built) -> None:
    """Leave pseudonyms where files of the run hold secrets of the recording; a replay compares those as it does answers."""
    rows = {f"baseline/run/{row['target']}": row for row in comparisons}
    for name, content in known.taken_out(
        (n, f) for n, f in [*built.files.items()] if isinstance(f, Path) and (n in rows or n.startswith("seed/run/"))
    ):
        built.files[name] = content
        if name in rows:
            rows[name]["method"] = Noted("mapped", "holds a secret of the recording, of which the pseudonym is kept")
        else:
            built.problems.append(
                f"{name} holds a secret that was sent or shown while it was recorded; the pseudonym stands there now. "
                "Put something in its place that a replay can begin with and everybody may read."
            )


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
