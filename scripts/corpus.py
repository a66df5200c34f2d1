"""Score the engine over the practice corpus: record each driver, replay on fresh, shifted and broken instances.

    python scripts/corpus.py CORPUS [APP …] [--no-mutants] [--out FILE.json]
    python scripts/corpus.py CORPUS [APP …] --repeat N

CORPUS is a folder with `harness.py` and `score.py`. The recorder is installed into each application's own environment,
as its users would. Nothing is edited between recording and replay: the draft is promoted as it was assembled.
With --repeat each recording is replayed on N fresh and N shifted instances, to count the false alarms.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from repeat import repeat

ROOT = Path(__file__).resolve().parent.parent
SLUG = "workflow"
WRAP = "recorder:wrap"


def wctl(*arguments: str, data_root: Path) -> int:
    """Run one command of ours as a person would; returns its exit code."""
    env = {**os.environ, "PROFILE_DATA_ROOT": str(data_root)}
    command = [sys.executable, "-c", "import wctl; wctl.main()", *arguments]
    return subprocess.run(command, env=env, cwd=data_root).returncode


def harness(corpus: Path, *arguments: str) -> list[str]:
    """The words that the corpus's `harness.py` answers with."""
    command = [sys.executable, "harness.py", *arguments]
    return subprocess.run(command, cwd=corpus, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def install_recorder(corpus: Path, app: str) -> None:
    interpreter = harness(corpus, "venv", app)[-1]
    subprocess.run([interpreter, "-m", "pip", "install", "-q", "--no-input", "-e", str(ROOT)], check=True)


def replay(secrets: Path, recording: Path, base_url: str) -> int:
    """Assemble and promote what was recorded, once; then replay it. Exit codes as `wctl run-test-profile` has them."""
    data_root = recording / "data"
    data_root.mkdir(exist_ok=True)
    if not (data_root / "profiles" / SLUG).exists():
        source = str(recording / "recorder")
        for command in (["assemble", "--from", source, "--slug", SLUG], ["promote", SLUG]):
            if wctl(*command, data_root=data_root):
                return 2
    known = ["--env-file", str(secrets)] if secrets.exists() else []
    return wctl("run-test-profile", SLUG, "--base-url", base_url, *known, data_root=data_root)


def chosen(corpus: Path, arguments: list[str]) -> list[str]:
    """The applications that the arguments name, or all, each with the recorder installed."""
    apps = harness(corpus, "list")
    apps = [app for app in apps if app in arguments] or apps
    for app in apps:
        install_recorder(corpus, app)
    return apps


def score(corpus: Path, arguments: list[str]) -> int:
    chosen(corpus, arguments)
    ours = f"{sys.executable} {__file__} --replay {corpus}/{{app}}/secrets.env {{rec}} {{base}}"
    recorder = ["RECORDER_ROOT={rec}/recorder", f"RECORDER_CAPTURE={SLUG}"]
    command = [sys.executable, "score.py", "--wrap", WRAP, "--replay", ours, "--red-exit", *arguments]
    return subprocess.run([*command, *(part for value in recorder for part in ("--env", value))], cwd=corpus).returncode


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--replay"]:
        secrets, recording, base_url = arguments[1:]
        return replay(Path(secrets), Path(recording), base_url)
    corpus = Path(arguments[0]).resolve() if arguments else Path()
    if not (corpus / "score.py").exists():
        print(f"absent: {arguments[0] if arguments else 'CORPUS'} holds no score.py", file=sys.stderr)
        return 2
    if "--repeat" in arguments:
        place = arguments.index("--repeat")
        apps = chosen(corpus, arguments[1:place])
        return 0 if repeat(corpus, apps, int(arguments[place + 1]), SLUG, WRAP, replay) else 1
    return score(corpus, arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
