"""`profile.yaml` as people write it and as the assembler writes it: one sentence for what is wrong, nothing lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assembler import document, plain_yaml
from assembler.document import BadDocument, Noted, dump, load_profile, loads_profile
from assembler.readme import plain
from tests.snippet import SNIPPET

HEAD = "metadata:\n  slug: a\n"
STEP = "steps:\n- id: one\n  path: /\n"


def refusal(text: str) -> str:
    with pytest.raises(BadDocument) as caught:
        loads_profile(text, "p.yaml")
    return str(caught.value)


def read(text: str) -> Any:
    """What the reader makes of a document, before it is asked whether it is a profile."""
    return plain_yaml.read(text, "p.yaml")


def test_the_document_that_the_product_was_promised_with() -> None:
    profile = loads_profile(SNIPPET)
    (step,) = profile.steps
    assert (step.action, step.job, step.payload) == ("enqueue_rq", "tasks.run_wepp", {"runid": "{{run_id}}"})
    assert step.wait is not None
    assert (step.wait.type, step.wait.endpoint, step.wait.success_state) == ("status_poll", "rq/status", "finished")
    assert profile.comparisons[1].params == {"tolerance": {"mean": 0.05, "max": 0.1}}
    assert profile.metadata.rq_required


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "12:30:45", "1e3", "002299", "0x10", "1_000", "2026-11-20", "0o17", ".5", "5.", ".inf", ".nan"],
)
def test_text_that_other_readers_take_for_something_else_stays_text(text: str) -> None:
    assert loads_profile(f"{HEAD}notes: {text}\n").notes == text


def test_keys_are_names_whatever_they_look_like() -> None:
    (step,) = loads_profile(f"{HEAD}{STEP}  payload:\n    404: a\n    true: b\n    null: c\n    1.5: d\n").steps
    assert step.payload == {"404": "a", "true": "b", "null": "c", "1.5": "d"}


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"{HEAD}stepz: []\n", 3, "unknown key 'stepz'; did you mean 'steps'?"),
        ("metadata:\n  slug: a\n  titel: b\n", 3, "unknown key 'metadata.titel'; did you mean 'title'?"),
        (f"{HEAD}  recorded_with:\n    orign: x\n", 4, "'metadata.recorded_with.orign'; did you mean 'origin'?"),
        (f"{HEAD}  clients:\n    tool:\n      header: {{}}\n", 5, "'metadata.clients.tool.header'; did you mean 'headers'?"),
        (f"{HEAD}prerequisites:\n  service: []\n", 4, "'prerequisites.service'; did you mean 'services'?"),
        (f"{HEAD}{STEP}  methd: GET\n", 6, "unknown key 'steps.0.methd'; did you mean 'method'?"),
        (f"{HEAD}{STEP}  expect:\n    statsu: 200\n", 7, "'steps.0.expect.statsu'; did you mean 'status'?"),
        (f"{HEAD}{STEP}  wait:\n    type: file\n    paht: x\n", 8, "'steps.0.wait.paht'; did you mean 'path'?"),
        (f"{HEAD}{STEP}  wait:\n    type: poll\n    until:\n      jsn: x\n", 9, "until.jsn'; did you mean 'json'?"),
        (f"{HEAD}{STEP}  extract:\n    text:\n      jsom: x\n", 8, "'steps.0.extract.text.jsom'; did you mean 'json'?"),
        (f"{HEAD}{STEP}  multipart:\n  - name: x\n    fiel: y\n", 8, "multipart.0.fiel'; did you mean 'file'?"),
        (f"{HEAD}comparisons:\n- target: x\n  methud: y\n", 5, "'comparisons.0.methud'; did you mean 'method'?"),
        (f"{HEAD}ignore:\n- where: x\n  why: y\n  wy: z\n", 6, "'ignore.0.wy'; did you mean 'why'?"),
        (f"{HEAD}overlays:\n  lab:\n    base: y\n", 5, "'overlays.lab.base'; did you mean 'base_url'?"),
        (f"{HEAD}overlays:\n  lab:\n    qqq: y\n", 5, "valid keys: base_url, seed_dir, baseline_dir, ignore."),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_its_line_and_the_nearest_valid_one(text: str, line: int, words: str) -> None:
    sentence = refusal(text)
    assert sentence.startswith(f"p.yaml, line {line}: ")
    assert words in sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "p.yaml is empty"),
        ("# nothing but a remark\n", "p.yaml is empty"),
        ("- a\n- b\n", "line 1: a profile is a mapping with `metadata` and `steps`, not a list."),
        ("hello\n", "not a single value."),
        (f"---\n---\n{HEAD}", "line 2: a profile is a mapping with `metadata` and `steps`, not a single value."),
        ("~\n", "not a single value."),
        ("metadata:\n\tslug: a\n", "line 2, column 1: this is not YAML: found character that cannot start any token."),
        (f"{HEAD}notes: [\n", "this is not YAML"),
        (f"{HEAD}---\n{HEAD}", "line 3, column 1: this is not YAML: but found another document."),
        (f"{HEAD}notes: \x07\n", "line 3: the character U+0007 may not stand in YAML."),
        (f"{HEAD}notes: \ud800\n", "p.yaml is not YAML"),
        (f"{HEAD}notes: a\nnotes: b\n", "line 4: the key 'notes' stands twice."),
        (f"{HEAD}? [a]\n: b\n", "line 3: a key must be a single word or string."),
        (f"{HEAD}<<: {{notes: x}}\n", "line 3: unknown key '<<'"),
    ],
)
def test_what_is_no_document(text: str, words: str) -> None:
    sentence = refusal(text)
    assert words in sentence
    assert sentence.count("\n") == 0


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system [echo]", "!!python/name:os.system x", "!!python/object:os.x {}", "!own x",
        "!!binary aGk=", "!!timestamp 2026-11-20", "!!set {a}", "!!omap [a: b]", "!!bool maybe", "!!int five", "!!float five",
        "!!null five",
    ],
)  # fmt: skip
def test_tags_are_refused_wherever_they_stand(value: str) -> None:
    assert re.search(r"line 6: the tag !\S+ is not allowed", refusal(f"{HEAD}{STEP}  payload: [{value}]\n"))
    if not value.endswith(("]", "}")):
        assert "line 6: the tag" in refusal(f"{HEAD}{STEP}  {value}: x\n")


def test_a_bomb_of_aliases_is_refused_before_it_is_unpacked() -> None:
    rows = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "anchors and aliases (& and *) are not allowed" in refusal("\n".join(rows))
    assert "anchors and aliases" in refusal(f"{HEAD}notes: &n x\n*n : y\n")


@pytest.mark.parametrize(
    "text",
    ["[" * 1_000_000, "[" * 1_000_000 + "]" * 1_000_000, "{a: " * 300_000, "\n" + "- " * 500_000 + "x"],
    ids=["open", "closed", "mappings", "one line"],
)
def test_deep_nesting_is_refused_and_survived(text: str) -> None:
    """libyaml's composer calls itself: a million levels would end the interpreter."""
    assert "nested more than 60 deep" in refusal(f"{HEAD}notes: {text}\n")


def test_levels_that_a_document_may_need_are_allowed() -> None:
    (step,) = loads_profile(f"{HEAD}{STEP}  payload: {'[' * 50}{']' * 50}\n").steps
    assert str(step.payload).count("[") == 50


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"{HEAD}steps: hello\n", 3, "'steps' is \"hello\", but must be a list."),
        (f"{HEAD}steps:\n- hello\n", 4, "'steps.0' is \"hello\", but must be a mapping."),
        ("metadata: [a]\n", 1, "'metadata' is [\"a\"], but must be a mapping."),
        ("steps: []\n", 1, "'metadata' is missing."),
        ("metadata: {}\n", 1, "'metadata.slug' is missing."),
        ("metadata:\n  slug: ../x\n", 2, "'../x' is not a profile name"),
        (f"{HEAD}notes: 5\n", 3, "'notes' is 5, but input should be a valid string."),
        (f"{HEAD}{STEP}  headers:\n    a: 5\n", 7, "'steps.0.headers.a' is 5"),
        (f"{HEAD}{STEP}  form:\n  - [a]\n", 7, "'steps.0.form.0.1' is missing."),
        (f"{HEAD}{STEP}  expect:\n    status: abc\n", 7, "'steps.0.expect.status' is \"abc\""),
        (f"{HEAD}steps:\n- id: a b\n  path: /\n", 4, "'steps.0.id' is \"a b\""),
        (f"{HEAD}steps:\n- id: a\n  action: uplod\n", 5, "'steps.0.action' is \"uplod\"; did you mean 'upload'?"),
        (f"{HEAD}steps:\n- id: a\n  action: 7\n", 5, "valid values: http, upload, enqueue_rq, wait, command."),
        (f"{HEAD}comparisons:\n- method: x\n", 4, "'comparisons.0.target' is missing."),
        (f"{HEAD}steps:\n- id: a\n", 4, "steps.0 of action http needs a path."),
        (f"{HEAD}steps:\n- id: a\n  action: enqueue_rq\n", 4, "steps.0 of action enqueue_rq needs a job"),
        (f"{HEAD}steps:\n- id: a\n  action: wait\n", 4, "steps.0 of action wait needs a wait."),
        (f"{HEAD}steps:\n- id: a\n  action: command\n", 4, "needs a command, a list of words."),
        (f"{HEAD}{STEP}  text: a\n  json: b\n", 4, "steps.0 takes one body, not json and text."),
        (f"{HEAD}{STEP}- id: one\n  path: /\n", 6, "steps.1.id is 'one', the id of an earlier step."),
        (f"{HEAD}prologue:\n- id: one\n  path: /\n{STEP}", 7, "steps.0.id is 'one', the id of an earlier step."),
        (f"{HEAD}{STEP}- id: two\n  path: /\n  after: [oen]\n", 8, "'oen', which names no earlier step; did you mean 'one'."),
        (f"{HEAD}{STEP}  after: [one]\n", 6, "steps.0.after.0 is 'one', which names no earlier step."),
        (f"{HEAD}{STEP}  extract:\n    x:\n      json: a\n      header: b\n", 8, "x takes one source, not json and header."),
        (f"{HEAD}{STEP}  extract:\n    x:\n      nth: 2\n", 8, "x needs a source: json, css, header, cookie or regex."),
        (f"{HEAD}{STEP}  wait:\n    type: job\n", 7, "steps.0.wait of type job needs job."),
        (f"{HEAD}{STEP}  wait:\n    type: status_poll\n", 7, "needs endpoint and success_state."),
        (f"{HEAD}{STEP}  wait:\n    type: poll\n", 7, "of type poll needs until."),
        (f"{HEAD}{STEP}  wait:\n    type: file\n", 7, "of type file needs path."),
        (f"{HEAD}{STEP}  wait:\n    type: log_line\n    path: x\n", 7, "of type log_line needs contains."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_line(text: str, line: int, words: str) -> None:
    sentence = refusal(text)
    assert sentence.startswith(f"p.yaml, line {line}: ")
    assert words in sentence
    assert sentence.count("\n") == 0


def test_further_faults_are_counted() -> None:
    assert refusal(f"{HEAD}a: 1\nb: 2\nc: 3\n").endswith("(2 more after it)")


def test_long_values_are_not_repeated_whole() -> None:
    assert len(refusal(f"{HEAD}steps: '{'x' * 100_000}'\n")) < 200


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    with pytest.raises(BadDocument, match=r"profile\.yaml does not exist\.$"):
        load_profile(path)
    path.write_bytes(b"metadata:\n  slug: \xff\n")
    with pytest.raises(BadDocument, match=r"is not UTF-8 at byte 18\.$"):
        load_profile(path)
    with path.open("wb") as file:
        file.truncate(document.LIMIT + 1)
    with pytest.raises(BadDocument, match="is larger than 64 MiB"):
        load_profile(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadDocument, match="cannot be read"):
        load_profile(path)


# ---------------------------------------------------------------------------------------------------- writing

AWKWARD = [
    "", " ", "  leading", "trailing  ", "# no remark", "a # b", "a: b", "- a", "-", "? a", ": a", "a:", "null", "~", "Yes", "no",
    "0", "-0", "1e3", "002299", "12:30:45", "1.5", "true", "'", '"', "\\", "it's \"both\"", "a\nb", "a\nb\n", "a\n\n", "\n", "\n\n",
    "\na", " a\n b", "a\n  \nb", "a\n  ", "a\r\nb", "a\rb", "\t", "a\tb\nc", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "a\x85b",
    "\xa0", "\u2028", "a\u2029b", "\ufeff", "a\ufeffb", "\ufffe", "\U0001f600", "\U0010ffff", "|", ">", "%", "@", "`", "&a", "*a", "!a",
    "{{ steps.a.b }}", "[a]", "{a}", ", ", "---", "...", "--- a", "<<", "=", "a" * 5000, "a b " * 500, "#", "\n#\n", "a\n---\nb",
]  # fmt: skip

texts = st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
scalars = st.one_of(
    texts, st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False)
)
remarks = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=40))


def noted(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.builds(Noted, values, remarks))


documents = st.dictionaries(
    texts,
    noted(
        st.recursive(
            scalars,
            lambda inner: st.one_of(
                st.lists(noted(inner), max_size=4), st.dictionaries(texts, noted(inner), max_size=4)
            ),
            max_leaves=12,
        )
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(documents, remarks)
@example({"a": Noted(["x", "y"], "a\nb: c\r\nd: e\u2028f: g\x85h: i")}, "x\ny: z")
@example({"a": Noted("x", "one\nb: 1")}, "\x00")
@example({"k" * 3000: {"k" * 3000: 1}, "l": [{"m" * 3000: [1]}]}, "")
@example({"a": 1e16, "b": 1e-07, "c": -1e300, "d": 5e-324, "e": 0.1}, "")
def test_what_is_written_is_what_is_read(written: dict[str, Any], head: str) -> None:
    assert read(dump(written, head)) == plain(written)


@settings(max_examples=50, deadline=None)
@given(documents, remarks)
def test_other_readers_take_it_for_yaml_too(written: dict[str, Any], head: str) -> None:
    """The text is plain YAML 1.1, as any safe reader knows it; only the types of its unquoted words are ours."""
    assert shape(yaml.load(dump(written, head), Loader=yaml.BaseLoader)) == shape(plain(written))


def shape(value: Any) -> Any:
    """Keys and lists, and where a value stands."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else "value"


@given(remarks)
def test_a_remark_changes_no_value_and_stays_a_remark(remark: str) -> None:
    values = ["x", 5, None, ["a", "b"], {"a": "b"}, [{"a": "b"}], "a\nb", [], {}]
    text = dump({f"k{n}": Noted(value, remark) for n, value in enumerate(values)}, remark)
    bare = dump({f"k{n}": value for n, value in enumerate(values)})
    rows = [line.split("  # ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert [row for row in rows if row] == bare.splitlines()[1:]


def test_lone_surrogates_are_written_as_replacement_characters() -> None:
    text = dump({"a\ud800": Noted("b\udfff", "c\ud83d"), "pair": "\ud83d\ude00"}, "d\udc00")
    assert read(text) == {"a\ufffd": "b\ufffd", "pair": "\U0001f600"}
    text.encode()


def test_numbers_that_json_does_not_have_are_written_as_text() -> None:
    assert read(dump({"a": float("inf"), "b": float("-inf"), "c": float("nan")})) == {
        "a": "inf",
        "b": "-inf",
        "c": "nan",
    }


def test_what_is_written_is_made_to_be_read() -> None:
    text = dump(
        {
            "metadata": {"slug": "a", "title": "It's a title"},
            "steps": [
                Noted(
                    {
                        "id": "post-login",
                        "path": Noted("/runs/{{ run_id }}/", "the run"),
                        "form": [["user", "ada"], ["password", "{{ secrets.PASSWORD }}"]],
                        "text": "one\ntwo\n",
                    },
                    "POST /login",
                )
            ],
        },
        "A profile.\nEdit it.",
    )
    assert text == (
        "# yaml-language-server: $schema=../../profile.schema.json\n"
        "# A profile.\n"
        "# Edit it.\n"
        "metadata:\n"
        "  slug: a\n"
        '  title: "It\'s a title"\n'
        "steps:\n"
        "  # POST /login\n"
        "  - id: post-login\n"
        '    path: "/runs/{{ run_id }}/"  # the run\n'
        "    form:\n"
        "      - [user, ada]\n"
        '      - [password, "{{ secrets.PASSWORD }}"]\n'
        "    text: |2\n"
        "      one\n"
        "      two\n"
    )
