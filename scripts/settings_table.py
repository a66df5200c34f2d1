"""What each environment variable means: (name, default, meaning), by who reads it. `scripts/docs.py` checks that none is missing."""

from __future__ import annotations

__all__ = ["TABLES"]

RECORDER = (
    ("RECORDER_ENABLED", "true", "`false`: `recorder.wrap` returns the application itself."),
    ("RECORDER_ROOT", "`.recorder`", "Where everything is kept that belongs to no run: log, key, list of all logs."),
    ("RECORDER_KEY", "a file in RECORDER_ROOT", "The key of the pseudonyms. Whoever assembles needs the same one."),
    ("RECORDER_CAPTURE", "", "Slug of a capture of everything, opened when the application starts."),
    ("RECORDER_RUN_PATTERN", "", "Regular expression with groups `run_id` and perhaps `config`, for the path of a request."),
    ("RECORDER_RUN_ROOT", "", "Template of a run's directory, such as `/srv/runs/{run_id:.2}/{run_id}`."),
    ("RECORDER_ENVIRONMENT", "`production`", "`production`, `staging`, `test` or `development`. Production is never "
     "replayed against; in development every caller of the API has all roles."),
    ("RECORDER_TOKEN", "", "Bearer token that gives all roles of the API: what `wctl capture` and a replay send."),
    ("RECORDER_PREFIX", "`/recorder`", "Path of the API. The application's own pages below it are not reached."),
    ("RECORDER_TOOLBAR", "false", "`true`: the application's own pages get the script tag of the toolbar. Pages that must not be "
     "changed, and those whose Content-Security-Policy forbids the script, stay as they are."),
    ("RECORDER_MODE", "`best_effort`", "`strict`: a request whose record cannot be written is refused before it is handled."),
    ("RECORDER_FSYNC", "false", "`always`: no answer leaves before its record is on the disk, so that it survives a power cut, "
     "not only a crash. Requests at one time share a flush."),
    ("RECORDER_LOG_PER_PROCESS", "false", "A file for each process beside the log, for network file systems, where several "
     "machines cannot append to one safely."),
    ("RECORDER_MAX_BODY", "`2G`", "Bodies beyond this are not kept. Bytes, or a number with K, M, G or T."),
    ("RECORDER_QUOTA", "", "What the directory of a log may hold, bodies and older files included. Beyond it nothing is "
     "recorded (`strict`: nothing is handled) until there is room again; the loss is counted and told."),
    ("RECORDER_MIN_FREE", "", "What recording must leave free on the disk, likewise."),
    ("RECORDER_SEAL", "", "A folder outside of RECORDER_ROOT for signed checkpoints of the logs: with it, `wctl audit verify` "
     "finds what was changed, taken out or cut off. Whoever makes drafts and verifies needs it, too."),
    ("RECORDER_SEAL_KEY", "a file in RECORDER_SEAL", "The key of the seal."),
    ("RECORDER_COMPRESS_DAYS", "7", "For `wctl housekeeping`: days after which a log that nobody writes is compressed. 0: never."),
    ("RECORDER_EXPIRE_DAYS", "0", "For `wctl housekeeping`: days after which what was recorded is removed. 0: never."),
    ("RECORDER_REDACT", "", "More names of secrets, separated by commas."),
    ("RECORDER_ANONYMIZE", "false", "`true`: names, mail addresses and telephone numbers are written as stand-ins that keep their "
     "shape. Names of further fields, separated by commas: theirs, too."),
)  # fmt: skip
SHARED = (
    ("PROFILE_DATA_ROOT", "the current folder", "Directory that holds `profiles/`: drafts, profiles, results."),
    ("PROFILE_PLAYBACK_RUN_ROOT", "`playback_runs` in the data root", "Where replays put their workspaces; the application must find "
     "the run `profile;;tmp;;<id>` there as `<id>`."),
    ("PROFILE_PLAYBACK_USE_CLONE", "false", "`true` in the application: its recorder finds those workspaces, too."),
    ("REDIS_URL", "", "Redis of the jobs. Without it, `wctl up` and the tests start one of their own."),
)  # fmt: skip
PLAYBACK = (
    ("PROFILE_PLAYBACK_BASE_URL", "", "Public origin of the application: cookies, Host, Origin and Referer belong to it."),
    ("PROFILE_PLAYBACK_INTERNAL_URL", "the base URL", "Where the bytes go."),
    ("PROFILE_PLAYBACK_ALLOWED_ORIGINS", "`loopback`", "Origins that a replay may reach, separated by commas."),
    ("PROFILE_PLAYBACK_REDIS_URL", "REDIS_URL", "Redis of the application under test, when it is another one."),
    ("PROFILE_PLAYBACK_JOBS", "`tasks.*`", "Functions that `enqueue_rq` may enqueue: patterns, separated by commas."),
    ("PROFILE_PLAYBACK_COMMANDS", "", "Programs that `command` steps may run: patterns for the first word, separated by "
     "commas. Empty: none."),
    ("PROFILE_PLAYBACK_JOBSTATUS", "`/rq/api/jobstatus/{job_id}`", "Path at which the application tells a job's state. The "
     "default stands below what comes before `/runs/` in the path of the run's page."),
    ("PROFILE_SECRET_<NAME>", "", "What a profile calls `{{ secrets.<NAME> }}`; `wctl secrets <slug>` lists them."),
    ("PROFILE_ENV_<NAME>", "", "What a profile calls `{{ env.<NAME> }}`."),
    ("PROFILE_REPORT_URL", "", "An address to which every finished report is sent: `POST`, `report.json` as the body. What goes "
     "wrong there is a note in the report and changes no verdict."),
    ("ADMIN_EMAIL", "", "The administrator: for profiles with `login: admin`, and for those that send no request of their own."),
    ("ADMIN_PASSWORD", "", "The administrator's password; stands in for PROFILE_SECRET_PASSWORD where the recorded user is ADMIN_EMAIL."),
)  # fmt: skip
SERVICE = (
    ("PROFILE_PLAYBACK_URL", "", "The playback service that `wctl run-test-profile` asks; without it the replay happens in `wctl` itself."),
    ("PROFILE_PLAYBACK_TOKEN", "", "What the service wants as a bearer token. Without it, it serves its own machine only."),
    ("PROFILE_PLAYBACK_VIEW_TOKEN", "", "A second token: who sends it, or signs in with it, may look at everything and change nothing. "
     "Needs PROFILE_PLAYBACK_TOKEN."),
    ("PROFILE_PLAYBACK_RUNS", "4", "How many replays it runs at once; the others wait, as `queued`."),
    ("PROFILE_PLAYBACK_KEEP_DAYS", "7", "Days that results and workspaces of replays stay. The service looks every hour, "
     "`wctl housekeeping` when it is called; what is replayed is left alone."),
    ("PROFILE_PLAYBACK_KEEP_RUNS", "20", "Results of each profile that stay longer than that: the last ones."),
)  # fmt: skip

GITHUB = (
    ("GITHUB_ACTIONS", "", "`true` in a job there: `wctl` and pytest write an annotation for every replay that did not pass."),
    ("GITHUB_STEP_SUMMARY", "", "The file of the job's summary, to which they append what came of the replays."),
    ("GITHUB_WORKSPACE", "the current folder", "The repository, to which the files in annotations are relative."),
)  # fmt: skip

TABLES = {
    "The recorder, in the application and its workers": RECORDER,
    "Recorder and playback": SHARED,
    "A replay": PLAYBACK,
    "The playback service": SERVICE,
    "GitHub Actions": GITHUB,
}
