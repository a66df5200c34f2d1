"""What a reviewer reads first: a generated README for each draft, and the preview the review dialog shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assembler.document import Noted
from assembler.draft import Built

__all__ = ["plain", "preview", "readme"]


def plain(value: Any) -> Any:
    """A document without its comments."""
    if isinstance(value, Noted):
        value = value.value
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def preview(built: Built) -> dict[str, Any]:
    """The steps in plain words, and those before the capture that they depend on: what was sent, files, jobs."""
    document = plain(built.document)
    return {
        "v": 1,
        "slug": document["metadata"]["slug"],
        "prologue": [_row(step) for step in document.get("prologue", [])],
        "steps": [_row(step) | built.shown.get(step["id"], {}) for step in document["steps"]],
        "notes": document.get("notes", ""),
        "warnings": built.warnings,
        "problems": built.problems,
    }


def _row(step: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": step["id"],
        "method": step["method"],
        "path": step["path"],
        "status": step["expect"]["status"],
        "fields": [name for name, _ in step.get("form", [])]
        + [p["name"] for p in step.get("multipart", []) if "filename" not in p],
        "files": [p["filename"] for p in step.get("multipart", []) if "filename" in p],
        "jobs": step["expect"].get("jobs", {}),
    }


def readme(built: Built) -> str:
    """One page: what was done, what is sent, what is compared, what is needed."""
    document = plain(built.document)
    metadata = document["metadata"]
    recorded = metadata.get("recorded_with", {})
    lines = [f"# {metadata.get('title', metadata['slug'])}", ""]
    if document.get("notes"):
        lines += [document["notes"], ""]
    lines += [
        f"Recorded {recorded.get('started', '')} at {recorded.get('origin', '')}: {len(document['steps'])} steps"
        + (f", after a prologue of {len(document['prologue'])}" if document.get("prologue") else "")
        + ".",
        "",
        f"    wctl run-test-profile {metadata['slug']} --base-url {recorded.get('origin') or 'http://127.0.0.1:8000'}",
        "",
    ]
    if needed := document.get("prerequisites", {}).get("environment"):
        lines += ["Needs " + ", ".join(f"`{name}`" for name in needed) + " in the environment.", ""]
    lines += ["| step | request | answer | jobs |", "|---|---|---|---|"]
    for step in document["steps"]:
        jobs = ", ".join(step["expect"].get("jobs", {})) if step.get("expect") else ""
        path = str(step["path"]).replace("|", "\\|")
        lines.append(f"| {step['id']} | {step['method']} {path} | {step['expect']['status']} | {jobs} |")
    if document.get("comparisons"):
        lines += ["", "Compared after the last step:", "", "| file | method |", "|---|---|"]
        lines += [f"| {c['target']} | {c['method']} |" for c in document["comparisons"]]
    for title, items in (("To mend before promotion", built.problems), ("Notes of the assembler", built.warnings)):
        if items:
            lines += ["", f"## {title}", "", *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"
