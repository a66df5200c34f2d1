"""What can be set, and how a value that cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder import Settings


def test_defaults_are_safe_and_paths_are_absolute() -> None:
    settings = Settings.from_env({})
    assert (settings.enabled, settings.environment, settings.mode) == (True, "production", "best_effort")
    assert settings.root == Path.cwd() / ".recorder"
    assert settings.max_body == 2 << 30
    assert settings == Settings()


def test_every_variable_is_read() -> None:
    settings = Settings.from_env(
        {
            "RECORDER_ENABLED": "no",
            "RECORDER_ROOT": "/srv/recorder",
            "RECORDER_KEY": "k",
            "RECORDER_PREFIX": "__recorder/",
            "RECORDER_RUN_PATTERN": "/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)",
            "RECORDER_RUN_ROOT": "/srv/runs/{run_id:.2}/{run_id}",
            "RECORDER_CAPTURE": "small-watershed",
            "RECORDER_TOKEN": "t",
            "RECORDER_ENVIRONMENT": "development",
            "RECORDER_MODE": "strict",
            "RECORDER_FSYNC": "always",
            "RECORDER_LOG_PER_PROCESS": "1",
            "RECORDER_MAX_BODY": "64M",
            "RECORDER_QUOTA": "10G",
            "RECORDER_MIN_FREE": "500m",
            "RECORDER_SEAL": "/srv/seal",
            "RECORDER_SEAL_KEY": "s",
            "RECORDER_REDACT": "ssn, iban ,",
            "PROFILE_PLAYBACK_RUN_ROOT": "/srv/clones",
            "PROFILE_PLAYBACK_USE_CLONE": "true",
            "PROFILE_DATA_ROOT": "/srv/data",
        }
    )
    assert settings == Settings(
        enabled=False,
        root=Path("/srv/recorder"),
        key="k",
        prefix="/__recorder",
        run_pattern="/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)",
        run_root="/srv/runs/{run_id:.2}/{run_id}",
        capture="small-watershed",
        token="t",
        environment="development",
        mode="strict",
        fsync=True,
        log_per_process=True,
        max_body=64 << 20,
        quota=10 << 30,
        min_free=500 << 20,
        seal=Path("/srv/seal"),
        seal_key="s",
        redact=("ssn", "iban"),
        clone_root=Path("/srv/clones"),
        data_root=Path("/srv/data"),
    )


def test_clones_are_only_looked_for_where_it_is_asked() -> None:
    assert Settings.from_env({"PROFILE_PLAYBACK_RUN_ROOT": "/srv/clones"}).clone_root is None


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("RECORDER_ENABLED", "flase", "did you mean 'false'?"),
        ("RECORDER_ENVIRONMENT", "prod", "did you mean 'production'?"),
        ("RECORDER_MODE", "besteffort", "did you mean 'best_effort'?"),
        ("RECORDER_FSYNC", "alway", "did you mean 'always'?"),
        ("RECORDER_MAX_BODY", "lots", "'64M'"),
        ("RECORDER_QUOTA", "-1", "'64M'"),
        ("RECORDER_SEAL", f"{Path.cwd()}/.recorder/seal", "lies in RECORDER_ROOT"),
        ("RECORDER_PREFIX", "/a b", "'/recorder'"),
        ("RECORDER_CAPTURE", "My Capture", "'my-capture'"),
        ("RECORDER_RUN_PATTERN", "/runs/(", "not a regular expression"),
        ("RECORDER_RUN_PATTERN", "/runs/([^/]+)", "(?P<run_id>"),
        ("RECORDER_RUN_ROOT", "/srv/{runid}", "did you mean 'run_id'?"),
        ("RECORDER_RUN_ROOT", "/srv/{run_id.__class__}", "did you mean 'run_id'?"),
        ("RECORDER_RUN_ROOT", "runs/{run_id}", "'/srv/runs/{run_id}'"),
        ("RECORDER_RUN_ROOT", "/srv/runs", "'/srv/runs/{run_id}'"),
        ("RECORDER_RUN_ROOT", "/srv/{run_id", "not a template"),
    ],
)
def test_a_bad_value_is_one_sentence_with_the_nearest_good_one(name: str, value: str, nearest: str) -> None:
    with pytest.raises(ValueError) as error:
        Settings.from_env({name: value})
    text = str(error.value)
    assert text.startswith(f"{name}={value!r}")
    assert nearest in text
    assert text.endswith(".")
    assert "\n" not in text
