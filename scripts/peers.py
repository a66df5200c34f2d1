"""The test suites of other frameworks, unchanged, first as they are and then with the recorder around every application.

    python scripts/peers.py [--only starlette,asgiref] [--keep FOLDER]

Takes the source distributions from the package index, installs them and what their tests need into an environment of
their own, and runs each suite twice. What passes without the recorder has to pass with it. Prints counts; exit code 1
when a test fails that did not, when something was lost, or when nothing was recorded.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from recorder.log import LOG_NAME, BadLine, read  # noqa: E402

LIMIT = 900  # seconds that one suite may take


@dataclass(frozen=True)
class Peer:
    """A project whose own tests call applications: what they need, and what of them is left out (with why)."""

    name: str
    version: str
    needs: tuple[str, ...]
    options: tuple[str, ...] = ("-p", "no:asyncio")


PEERS = (
    Peer("asgiref", "3.13.0", ("pytest-asyncio",), ()),
    Peer("starlette", "1.10.0", ("starlette[full]", "httpx2", "trio", "opentelemetry-sdk")),
    # Left out: tests of the development server, which run it in processes of their own; tests of the command line.
    Peer("werkzeug", "3.1.9", ("ephemeral-port-reserve", "watchdog", "cryptography", "pytest-timeout"),
         ("-p", "no:asyncio", "--ignore", "tests/test_serving.py")),
    Peer("flask", "3.1.3", ("python-dotenv",), ("-p", "no:asyncio", "--ignore", "tests/test_cli.py")),
    Peer("webob", "1.8.11", ()),
)  # fmt: skip


def tests_of(peer: Peer, folder: Path, python: Path) -> Path:
    """Return the unpacked source distribution, installed with its needs."""
    subprocess.run(
        [python, "-m", "pip", "download", "-qq", "--no-deps", "--no-binary", peer.name,
         "--dest", folder, f"{peer.name}=={peer.version}"], check=True,
    )  # fmt: skip
    (archive,) = folder.glob(f"{peer.name}-{peer.version}.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    needs = [f"{peer.name}=={peer.version}", "pytest<9", *peer.needs]
    subprocess.run([python, "-m", "pip", "install", "-qq", *needs], check=True)
    return folder / f"{peer.name}-{peer.version}"


def outcomes(peer: Peer, tests: Path, python: Path, root: Path | None) -> dict[str, str]:
    """Run the suite and return what became of each test; with `root`, recorded."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}", "PYTHONDONTWRITEBYTECODE": "1"}
    options = [*peer.options, "-p", "no:cacheprovider", "-q", "-rA", "--tb=no", "--color=no"]
    if root is not None:
        env["RECORDER_ROOT"] = str(root)
        options += ["-p", "peers_wrapped"]
    command = [str(python), "-m", "pytest", *options, "tests"]
    ran = subprocess.run(command, cwd=tests, env=env, capture_output=True, text=True, timeout=LIMIT)
    found = re.findall(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS) (\S.*?)(?: - .*)?$", ran.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"{peer.name}: its tests did not run:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return {test: outcome for outcome, test in found}


def recorded(root: Path) -> tuple[int, list[str]]:
    """How many requests the log holds, and what is wrong with it."""
    requests, wrong = 0, []
    sequences: dict[str, list[int]] = {}
    path = root / "_logs" / LOG_NAME
    for line in read(path) if path.exists() else ():
        if isinstance(line, BadLine):
            wrong.append(f"a line that is no event at byte {line.offset}")
            continue
        requests += line.event["category"] == "http_request" and line.event["stage"] == "started"
        sequences.setdefault(line.event["writer"], []).append(line.event["sequence"])
    wrong += [f"gaps of {name}" for name, numbers in sequences.items() if numbers != list(range(1, len(numbers) + 1))]
    return requests, wrong if requests else ["nothing was recorded"]


def main(arguments: list[str] | None = None) -> int:
    """Run them all; returns 1 when the recorder changed anything."""
    parser = argparse.ArgumentParser(description="Run other frameworks' tests with the recorder around them.")
    parser.add_argument("--only", default=",".join(peer.name for peer in PEERS), help="some of them")
    parser.add_argument("--keep", type=Path, default=None, metavar="FOLDER", help="work there, and leave it")
    chosen = parser.parse_args(arguments)
    violations = 0
    print(f"{'suite':<20}{'passed':>8}{'recorded':>10}{'others':>8}{'requests':>10}")
    with tempfile.TemporaryDirectory(prefix="pte-peers-") as name:
        folder = chosen.keep or Path(name)
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-qq", "orjson", "wrapt"], check=True)
        for peer in (peer for peer in PEERS if peer.name in chosen.only.split(",")):
            tests, root = tests_of(peer, folder, python), folder / f"recorder-{peer.name}"
            bare, wrapped = (outcomes(peer, tests, python, each) for each in (None, root))
            requests, wrong = recorded(root)
            passed = {test for test, outcome in bare.items() if outcome == "PASSED"}
            still = {test for test, outcome in wrapped.items() if outcome == "PASSED"}
            wrong += [f"{test} passes without the recorder and not with it" for test in sorted(passed - still)]
            print(f"{peer.name + ' ' + peer.version:<20}{len(passed):>8,}{len(passed & still):>10,}"
                  f"{len(bare) - len(passed):>8,}{requests:>10,}", flush=True)  # fmt: skip
            for sentence in wrong:
                print(f"VIOLATION: {sentence}")
            violations += len(wrong)
    print("violations: " + str(violations or "none"))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
