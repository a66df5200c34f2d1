"""What is set for a replay, and from where; values are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from playback.envfile import BadEnvFile, environment, read_env_file


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("K=v", "v"),
        ("export K = v w ", "v w"),
        ("K=", ""),
        ("K=#no", ""),
        ("K=a#b", "a#b"),
        ("K=a # comment", "a"),
        ("K='a # $b\\n'", "a # $b\\n"),
        ('K="a # \\"b\\"\\n\\$c" # comment', 'a # "b"\n$c'),
        ("K=a=b==", "a=b=="),
        ("\ufeffK=v\r", "v"),
    ],
)
def test_values(line: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(f"{line}\n# K=other\n\n")
    assert read_env_file(path) == {"K": value}


@pytest.mark.parametrize("line", ["no equals hunter2", "K='hunter2", 'K="hunter2', "1K=hunter2", "K='a' hunter2"])
def test_a_line_that_cannot_be_read_is_named_and_not_shown(line: str, tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(f"A=1\n{line}\n")
    with pytest.raises(BadEnvFile, match="env, line 2") as caught:
        read_env_file(path)
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadEnvFile, match=r"nowhere cannot be read: No such file"):
        read_env_file(tmp_path / "nowhere")


def test_environment_over_env_file_over_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / ".env").write_text(
        "ADMIN_EMAIL=docker\nADMIN_PASSWORD=docker\nREDIS_URL=redis://redis\nPROFILE_SECRET_X=docker\nPROFILE_DATA_ROOT=/w\n?\n"
    )
    (tmp_path / "own.env").write_text("ADMIN_PASSWORD=file\nREDIS_URL=redis://file\nPROFILE_SECRET_X=file\n")
    assert environment(tmp_path, environ={}) == {
        "ADMIN_EMAIL": "docker",
        "ADMIN_PASSWORD": "docker",
        "PROFILE_SECRET_X": "docker",
    }
    assert environment(tmp_path, tmp_path / "own.env", {"PROFILE_SECRET_X": "set"}) == {
        "ADMIN_EMAIL": "docker",
        "ADMIN_PASSWORD": "file",
        "PROFILE_SECRET_X": "set",
        "REDIS_URL": "redis://file",
    }


def test_the_data_root_brings_its_own(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / ".env").write_text("ADMIN_EMAIL=there\n")
    assert environment(tmp_path, environ={})["ADMIN_EMAIL"] == "there"


def test_an_internal_url_belongs_to_the_base_url_that_is_set(tmp_path: Path) -> None:
    set_ = {"PROFILE_PLAYBACK_BASE_URL": "https://app", "PROFILE_PLAYBACK_INTERNAL_URL": "http://internal"}
    assert environment(tmp_path, environ=set_) == set_
    assert environment(tmp_path, environ=set_, base_url="https://app") == set_
    assert environment(tmp_path, environ=set_, base_url="http://other") == {"PROFILE_PLAYBACK_BASE_URL": "https://app"}
