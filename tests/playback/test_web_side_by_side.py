"""Expected beside actual: what is marked, and that it stays within bounds."""

from __future__ import annotations

import json
import time

from playback.web.side_by_side import Node, marked, of_diff, sides


def leaves(node: Node) -> list[tuple[str, str, str | None, str | None]]:
    if not node.children:
        return [(node.key, node.kind, node.left, node.right)]
    return [leaf for child in node.children for leaf in leaves(child)]


def test_json_as_a_tree() -> None:
    found = sides('{"a": 1, "b": [1, 2], "gone": null}', '{"a": 1.0, "b": [1, 3, 4], "new": "x"}').tree
    assert found is not None
    assert leaves(found) == [
        ("a", "changed", "1", "1.0"),
        ("0", "same", "1", "1"),
        ("1", "changed", "2", "3"),
        ("2", "new", None, "4"),
        ("gone", "gone", "null", None),
        ("new", "new", None, '"x"'),
    ]
    assert [child.open for child in found.children] == [False, True, False, False]


def test_only_what_the_comparison_found_is_marked() -> None:
    found = sides('{"id": 1, "a/b": {"c": 2}}', '{"id": 9, "a/b": {"c": 3}}', differing=["/a~1b"]).tree
    assert found is not None
    assert leaves(found) == [("id", "same", "1", "9"), ("c", "changed", "2", "3")]


def test_a_tree_is_bounded() -> None:
    wide, deep = {str(n): n for n in range(5000)}, "[" * 900 + "1" + "]" * 900
    tree = sides(json.dumps(wide), json.dumps({**wide, "0": 1})).tree
    assert tree is not None
    assert tree.children[-1].right == "3499 more"
    assert sides(deep, deep.replace("1", "2")).tree is not None


def test_rows_of_a_table_that_differ() -> None:
    found = sides("id,t\n1,5\n2,6\n3,7\n", "id,t\n1,5\n2,8\n", named="x.csv")
    assert (found.head, found.rows) == (["id", "t"], ["3", "4"])
    assert found.cells == [[("2", "2", False), ("6", "8", True)], [("3", "", True), ("7", "", True)]]
    many = "id,t\n" + "".join(f"{n},1\n" for n in range(1000))
    assert sides(many, many.replace(",1", ",2"), named="x.csv").cut == "The first 200 of 1000 rows that differ."
    assert sides("one\n", "two\n", named="x.csv").lines  # no table: a text


def test_a_unified_diff_in_two_columns() -> None:
    text = "--- expected\n+++ actual\n@@ -3,3 +3,3 @@\n a\n-b1\n+b2\n@@ -20 +20,2 @@\n-c\n+d\n+e"
    rows = [(r.kind, r.left_number, r.right_number) for r in of_diff(text.splitlines()).lines]
    assert rows == [("same", 3, 3), ("changed", 4, 4), ("gap", None, None), ("changed", 20, 20), ("new", None, 21)]
    assert of_diff([]).lines == []


def test_a_pseudonym_and_a_hidden_secret_are_no_difference() -> None:
    hidden = f"secret-csrf-{'a' * 32}"
    diff = ["@@ -1,2 +1,2 @@", f"-x {hidden}", "+x •••", " y", "@@ -9 +9 @@", f"-{hidden} 1", "+••• 2"]
    (line,) = of_diff(diff).lines
    assert (line.left, line.right) == ([("••• ", False), ("1", True)], [("••• ", False), ("2", True)])


def test_what_differs_is_marked_and_long_lines_are_cut_around_it() -> None:
    assert marked("loss 12.5 t", "loss 99 t") == (
        [("loss ", False), ("12.5", True), (" t", False)],
        [("loss ", False), ("99", True), (" t", False)],
    )
    left, right = marked("x" * 5000 + "a" + "y" * 5000, "x" * 5000 + "b" + "y" * 5000)
    assert [text for text, differs in left if differs] == ["a"]
    assert [text for text, differs in right if differs] == ["b"]
    assert sum(len(text) for text, _ in left) < 700


def test_large_texts_take_a_moment() -> None:
    began = time.thread_time()
    found = sides("\n".join(str(n) for n in range(30_000)), "\n".join(str(n * 7 % 30_011) for n in range(30_000)))
    assert found.cut
    assert len(found.lines) <= 400
    assert time.thread_time() - began < 10  # what goes with the square of the length takes minutes
