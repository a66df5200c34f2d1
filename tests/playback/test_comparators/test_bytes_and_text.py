"""`exact_hash` and `text_diff`."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playback.comparators.exact_hash import BLOCK


class TestExactHash:
    def test_the_same_bytes_pass(self, judge):
        outcome = judge("exact_hash", b"\x00\xff", b"\x00\xff")
        assert (outcome.result, outcome.summary) == ("passed", "No difference in 2 bytes.")

    @pytest.mark.parametrize("at", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 7])
    def test_one_byte_fails_and_is_named(self, judge, at):
        expected = bytes(2 * BLOCK + 8)
        actual = expected[:at] + b"\x01" + expected[at + 1 :]
        outcome = judge("exact_hash", expected, actual)
        assert outcome.result == "failed"
        assert f"first difference is at byte {at:,}: expected 0x00, actual 0x01" in outcome.summary
        assert outcome.details[0] == f"from byte {max(at % BLOCK - 16, 0) + at // BLOCK * BLOCK:,}"

    def test_a_cut_off_file_fails_where_it_ends(self, judge):
        outcome = judge("exact_hash", bytes(BLOCK + 1), bytes(BLOCK))
        assert f"byte {BLOCK:,}: expected 0x00, actual the end of the file" in outcome.summary
        assert f"sizes are {BLOCK + 1:,} expected, {BLOCK:,} actual" in outcome.summary

    @settings(deadline=None, max_examples=50)
    @given(st.binary(min_size=1), st.binary(min_size=1))
    def test_it_passes_exactly_when_the_bytes_are_equal(self, judge, left, right):
        assert (judge("exact_hash", left, right).result == "passed") == (left == right)
        assert judge("exact_hash", left, left).result == "passed"


class TestTextDiff:
    def test_one_letter_fails_and_is_named(self, judge):
        outcome = judge("text_diff", "one\ntwo\nthree\n", "one\ntwe\nthree\n")
        assert outcome.summary == "Line 2 differs from character 3: expected ‘two’, actual ‘twe’."
        assert outcome.details[-4:] == [" one", "-two", "+twe", " three"]

    def test_line_ends_are_told_apart(self, judge):
        outcome = judge("text_diff", "one\ntwo\n", "one\ntwo\r\n")
        assert outcome.summary == "Line 2 differs in its line end: expected LF, actual CRLF."
        assert "+two\\r" in outcome.details

    def test_a_missing_last_line_end_is_a_difference(self, judge):
        outcome = judge("text_diff", "one\n", "one")
        assert outcome.summary == "Line 1 differs in its line end: expected LF, actual none (the file ends)."
        assert "+one  (no line end)" in outcome.details

    def test_a_missing_line_fails(self, judge):
        assert judge("text_diff", "a\nb\n", "a\n").summary == "The actual text ends before line 2 of the expected: ‘b’."

    def test_an_extra_line_fails(self, judge):
        outcome = judge("text_diff", "a\n", "a\nb\n")
        assert outcome.summary == "The actual text goes on after the expected ends, at line 2: ‘b’."

    def test_lines_to_ignore_may_differ_appear_and_vanish(self, judge):
        ignore = {"ignore_lines": ["^Started at ", r"\d+ ms$"]}
        expected, actual = "Started at 9\na\ntook 5 ms\nb\n", "Started at 10\r\na\nb\ntook 6 ms\ntook 7 ms\n"
        outcome = judge("text_diff", expected, actual, **ignore)
        assert (outcome.result, outcome.summary) == ("passed", "No difference in 2 compared lines.")
        assert judge("text_diff", expected, actual.replace("b", "c"), **ignore).result == "failed"

    def test_the_line_number_is_that_of_the_file(self, judge):
        outcome = judge("text_diff", "# x\n# y\na\n", "# x\n# y\nb\n", ignore_lines=["^#"])
        assert outcome.summary.startswith("Line 3 differs")

    def test_latin_1_is_compared_and_shown_in_escapes(self, judge):
        latin = "größe\n".encode("latin-1")
        assert judge("text_diff", latin, latin).result == "passed"
        outcome = judge("text_diff", latin, "grösse\n".encode("latin-1"))
        assert outcome.result == "failed"
        "".join([outcome.summary, *outcome.details]).encode("utf-8")

    def test_a_long_line_is_shown_where_it_differs(self, judge):
        outcome = judge("text_diff", "x" * 100_000 + "a", "x" * 100_000 + "b")
        assert "from character 100,001: " in outcome.summary
        assert "xa’" in outcome.summary
        assert len(outcome.summary) < 300

    def test_control_characters_do_not_reach_the_terminal(self, judge):
        outcome = judge("text_diff", "a\n", "\x1b[31ma\n")
        assert "\x1b" not in "".join([outcome.summary, *outcome.details])

    def test_of_a_large_text_few_lines_are_held(self, judge):
        expected = "".join(f"line {n}\n" for n in range(200_000))
        actual = expected.replace("line", "row")
        tracemalloc.start()
        try:
            outcome = judge("text_diff", expected.encode(), actual.encode())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert outcome.result == "failed"
        assert len(outcome.details) <= 40
        assert peak < 2 * len(expected) + 1_000_000  # bytes, the contents written by the test among them

    @settings(deadline=None, max_examples=50)
    @given(st.text(min_size=1), st.text(min_size=1))
    def test_it_passes_exactly_when_the_text_is_equal(self, judge, left, right):
        left, right = (text.encode("utf-8", "surrogatepass") for text in (left, right))
        assert (judge("text_diff", left, right).result == "passed") == (left == right)
        assert judge("text_diff", left, left).result == "passed"
