"""Reports as JUnit XML, which every CI system shows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable

from playback.report import Report
from playback.summary import render, step_lines, visible

__all__ = ["junit"]

# XML 1.0, production [2] Char: everything else cannot be written at all, not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(reports: Iterable[Report]) -> bytes:
    """The reports as one JUnit XML document: a suite each, a case for every step and every compared file."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        suite = ElementTree.SubElement(root, "testsuite", _attributes(name=report.profile, timestamp=report.started_at))
        for step in report.steps:
            seconds = ((step.duration_ms or 0.0) + step.wait_ms) / 1000
            _case(suite, report.profile, step.id, seconds, step.result, "\n".join(step_lines(step)))
        for file in report.comparisons:
            text = "\n".join([visible(file.summary), *map(visible, file.details)])
            _case(suite, f"{report.profile}.files", file.target, 0.0, file.result, text)
        wanted = {"passed": None, "failed": "failure"}.get(report.result, "error")
        if wanted and suite.find(f"testcase/{wanted}") is None:
            outcome = "failed" if wanted == "failure" else "error"
            _case(suite, report.profile, "replay", report.duration_s, outcome, render(report))
        suite.attrib.update(_attributes(tests=len(suite), time=f"{report.duration_s:.3f}"))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    document: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return document + b"\n"


def _case(suite: ElementTree.Element, group: str, name: str, seconds: float, result: str, text: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", _attributes(classname=group, name=name, time=f"{seconds:.3f}"))
    if result == "passed":
        return
    tag = {"skipped": "skipped", "error": "error"}.get(result, "failure")
    outcome = ElementTree.SubElement(case, tag)
    if tag != "skipped":
        outcome.attrib.update(_attributes(message=text.partition("\n")[0][:200], type=result))
        outcome.text = _xml(text)


def _attributes(**values: object) -> dict[str, str]:
    return {name: _xml(str(value)) for name, value in values.items()}


def _xml(text: str) -> str:
    return _NOT_XML.sub("", text)
