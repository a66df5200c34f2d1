"""What looks like a secret stops a promotion, by file, line and step; what only resembles one does not."""

from __future__ import annotations

import base64
import json
import uuid
from hashlib import sha256
from pathlib import Path

import pytest

from assembler.promote import NotPromotable, promote
from tests.assembler.deployment import SLUG, Deployment

PSEUDONYM = "secret-token-" + "0123456789abcdef" * 2
SIGNATURE = base64.urlsafe_b64encode(sha256(b"x").digest()).decode().rstrip("=")


def token(head: object) -> str:
    """Three parts as a JSON Web Token has them, with this header."""
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (head, {"sub": "ada"})]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), SIGNATURE])


JWT = token({"alg": "HS256", "typ": "JWT"})
BASIC = base64.b64encode(b"ada:correct-horse").decode()
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"

SECRETS = {
    "jwt": (JWT, "a JSON Web Token"),
    "key": (PEM, "a private key"),
    "bearer": ("Authorization: Bearer 8f14e45fceea167a5a36", "a bearer token"),
    "basic": (f"Authorization: Basic {BASIC}", "credentials, a password among them"),
    "address": ("postgres://ada:hunter2@db.internal:5432/work", "credentials, a password among them"),
    "aws": ("AKIA" + "Z7Q3" * 4, "an AWS access key"),
    "github": ("ghp_" + "a1B2" * 9, "a GitHub token"),
    "github, fine": ("github_pat_" + "a1B2_" * 8 + "x", "a GitHub token"),
    "gitlab": ("glpat-" + "a1B2-" * 4, "a GitLab token"),
    "slack": ("xoxb-" + "123456789012-" * 2 + "a1B2c3D4", "a Slack token"),
    "stripe": ("sk_live_" + "a1B2" * 6, "a Stripe key"),
}

HARMLESS = {
    "uuid": str(uuid.UUID(int=7 << 80)),
    "digest": sha256(b"x").hexdigest(),
    "pseudonym": PSEUDONYM,
    "bearer of a pseudonym": f"Authorization: Bearer {PSEUDONYM}",
    "address with a pseudonym": f"postgres://ada:{PSEUDONYM}@db.internal/work",
    "address without a password": "ssh://ada@db.internal/work https://db.internal:8443/a@b",
    "three words": "eyJustdots.eyeshadow.eyebrow",
    "a list as a head": token(["alg"]),
    "a certificate": PEM.replace("RSA PRIVATE KEY", "CERTIFICATE"),
    "a word for it": "The bearer of this letter, and basic authentication.",
    "a published key": "pk_live_" + "a1B2" * 6,
    "capitals": "AKIAN DASHBOARD, ASIA and AKIA" + "z" * 16,
    "a hidden field": '<input type="hidden" name="csrf_token" value="' + PSEUDONYM + '">',
    "etag": 'etag: W/"5f3a-17b2c3d4e5f"',
    "picture": "data:image/png;base64," + base64.b64encode(bytes(range(1, 200))).decode(),
}


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    """A draft without problems: a page, a request, an upload, a run with a configuration and an output."""
    site = Deployment(tmp_path)
    site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    site.send("GET", "/runs/dry-creek/active/", "<h1>Dry Creek</h1>\n<p>One</p>\n")
    site.form("/runs/dry-creek/active/name", "name=Ada")
    site.upload("/runs/dry-creek/active/dem", ("dem.txt", b"1 2 3"))
    site.run("dry-creek", {"out.txt": "one\n"})
    site.end(capture)
    site.assemble()
    return site


def add(site: Deployment, pattern: str, text: str) -> int:
    """Put `text` at the end of the only file of this name; returns the line it begins on."""
    (path,) = site.draft.glob(pattern)
    before = path.read_text()
    before += "" if before.endswith("\n") else "\n"
    path.write_text(f"{before}{text}\n")
    return before.count("\n") + 1


def refusal(site: Deployment) -> str:
    with pytest.raises(NotPromotable) as caught:
        promote(SLUG, site.data_root)
    assert not (site.data_root / "profiles" / SLUG).exists()
    return str(caught.value)


@pytest.mark.parametrize(("text", "what"), SECRETS.values(), ids=SECRETS)
def test_a_secret_in_a_recorded_answer_is_named(site: Deployment, text: str, what: str) -> None:
    line = add(site, "baseline/answers/get.html", f"<pre>{text}</pre>")
    sentence = refusal(site)
    assert sentence.startswith(
        f"baseline/answers/get.html, line {line} (step get): this looks like {what}. "
    )
    assert "promote with --reviewed" in sentence
    assert text.rpartition(" ")[2] not in sentence


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_only_resembles_one_is_none(site: Deployment, text: str) -> None:
    for pattern in ("baseline/answers/get.html", "baseline/run/out.txt", "seed/run/active.cfg", "README.md"):
        add(site, pattern, text)
    add(site, "profile.yaml", "# " + text.replace("\n", "\n# "))
    assert text in (promote(SLUG, site.data_root) / "README.md").read_text()


@pytest.mark.parametrize(
    "pattern", ["baseline/run/out.txt", "seed/run/active.cfg", "events.jsonl", "README.md", "profile.yaml"]
)
def test_every_text_that_would_be_committed_is_read(site: Deployment, pattern: str) -> None:
    line = add(site, pattern, f"# {JWT}")
    assert refusal(site).startswith(f"{pattern}, line {line}: this looks like a JSON Web Token. ")


def test_what_a_reviewer_has_looked_at_may_stay(site: Deployment) -> None:
    add(site, "baseline/answers/get.html", JWT)
    assert "looks like" in refusal(site)
    folder = promote(SLUG, site.data_root, reviewed=True)
    assert JWT in (folder / "baseline/answers/get.html").read_text()


def test_an_upload_is_the_users_own(site: Deployment) -> None:
    (path,) = site.draft.glob("seed/uploads/*/dem.txt")
    name = path.relative_to(site.draft).as_posix()
    path.write_text(f"1 2 3\n{JWT}\n")
    told: list[str] = []
    promote(SLUG, site.data_root, tell=told.append)
    assert told == [
        f"{name}, line 2 (step post-dem) holds what looks like a JSON Web Token; it becomes part of the profile."
    ]


def test_further_places_are_named_too(site: Deployment) -> None:
    for number in range(8):
        (site.draft / "seed" / "run" / f"note{number}.txt").write_text(f"one\n{JWT}\n{JWT}\n")
    sentence = refusal(site)
    assert sentence.startswith("seed/run/note0.txt, line 2: this looks like a JSON Web Token. Also: ")
    assert "seed/run/note1.txt, line 2; " in sentence
    assert "; 10 more. " in sentence


def test_a_secret_far_down_in_a_large_text_keeps_its_line(site: Deployment) -> None:
    """The key lies across the end of the 4 MiB that are read at once."""
    before = "x" * 79 + "\n"
    rows = (4 << 20) // 80
    (site.draft / "seed" / "run" / "long.txt").write_text(f"{before * rows}{PEM}\n{before * 70_000}see {JWT}\n")
    sentence = refusal(site)
    assert sentence.startswith(f"seed/run/long.txt, line {rows + 1}: this looks like a private key. ")
    assert f"Also: seed/run/long.txt, line {rows + 3 + 70_000 + 1}. " in sentence


def test_a_binary_file_is_none_to_read(site: Deployment) -> None:
    content = b"\0\1" + JWT.encode()
    (site.draft / "seed" / "run" / "image.bin").write_bytes(content)
    assert (promote(SLUG, site.data_root) / "seed" / "run" / "image.bin").read_bytes() == content


# ---------------------------------------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("[name, Ada]", "[name, Ada]\n      - [password, hunter2]", "hunter2"),
        ("[name, Ada]", "[name, Ada]\n      - [user_pin, a]\n      - [api-key, abc]", "abc"),
        ("    method: GET\n", "    method: GET\n    query: a=1&token=abc\n", "token=abc"),
        ("    method: GET\n", "    method: GET\n    headers:\n      x-api-key: abc\n", "abc"),
        ("    method: GET\n", "    method: GET\n    headers:\n      authorization: [Digest abc]\n", "Digest abc"),
        ("    method: GET\n", "    method: GET\n    cookies:\n      a: b\n      sessionid: abc\n", "sessionid"),
        ("    method: GET\n", '    method: GET\n    json: |2\n      {"user": "ada",\n      "password": "hunter2"}\n', "hunter2"),
    ],
    ids=["form", "form, further down", "query", "header", "authorization", "cookie", "json"],
)  # fmt: skip
def test_what_is_sent_under_the_name_of_a_secret_is_not_written_out(
    site: Deployment, old: str, new: str, marked: str
) -> None:
    path = site.draft / "profile.yaml"
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    line = next(n for n, row in enumerate(path.read_text().splitlines(), 1) if marked in row)
    step = "post-name" if "Ada" in old else "get"
    assert refusal(site).startswith(f"profile.yaml, line {line} (step {step}): this looks like ")
    promote(SLUG, site.data_root, reviewed=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[name, Ada]", '[name, Ada]\n      - [password, "{{ secrets.PASSWORD }}"]\n      - [password_again, ""]'),
        ("[name, Ada]", "[name, Ada]\n      - [token_type, bearer]\n      - [max_tokens, \"500\"]\n      - [keyword, dry]"),
        ("    method: GET\n", '    method: GET\n    query: "next_token=abc&token={{ steps.a.b }}"\n'),
        ("    method: GET\n", "    method: GET\n    headers:\n      authorization: \"Bearer {{ secrets.TOKEN }}\"\n"),
        ("    method: GET\n", "    method: GET\n    cookies: {theme: dark}\n"),
        ("    method: GET\n", "    method: GET\n    json: |2\n      {\"password\": \"{{ secrets.PASSWORD }}\", \"token\": null}\n"),
    ],
    ids=["form", "names", "query", "authorization", "cookie", "json"],
)  # fmt: skip
def test_places_and_names_about_secrets_are_none(site: Deployment, old: str, new: str) -> None:
    path = site.draft / "profile.yaml"
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    promote(SLUG, site.data_root)


def test_a_secret_that_was_not_resolved_is_no_matter_of_review(site: Deployment) -> None:
    path = site.draft / "profile.yaml"
    path.write_text(path.read_text().replace("[name, Ada]", f"[name, {PSEUDONYM}]", 1))
    with pytest.raises(NotPromotable, match="is not resolved"):
        promote(SLUG, site.data_root, reviewed=True)
