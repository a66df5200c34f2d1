"""Changes to the text of a YAML document at the places where its values stand: every other byte stays as it is.

A document with two thousand steps is changed in the time it takes to read it, and its comments go nowhere. Whoever
changes one has to read the result and see that it says what was meant: a text can be written in ways that are not
understood here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import yaml

from assembler.document import scalar
from assembler.plain_yaml import nodes

__all__ = ["YamlText"]


class YamlText:
    """A text that was read without a fault, and what is to be changed in it. Places are nodes of `root`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = nodes(text)
        self._rows = text.split("\n")
        self._starts = [0]
        for row in self._rows:
            self._starts.append(self._starts[-1] + len(row) + 1)
        self._changes: list[tuple[int, int, str]] = []

    # ------------------------------------------------------------------ looking

    def entry(self, node: yaml.Node, key: str) -> tuple[yaml.Node, yaml.Node] | None:
        """The key and the value of that name in a mapping."""
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        return next(((k, v) for k, v in pairs if k.value == key), None)

    def items(self, node: yaml.Node, key: str) -> list[yaml.Node]:
        """The items of the list at `key`."""
        found = self.entry(node, key)
        return list(found[1].value) if found and isinstance(found[1], yaml.SequenceNode) else []

    def scalars(self, node: yaml.Node) -> Iterable[yaml.ScalarNode]:
        """Every scalar below a node, keys included."""
        waiting: list[yaml.Node] = [node]
        while waiting:
            here = waiting.pop()
            if isinstance(here, yaml.ScalarNode):
                yield here
            elif isinstance(here, yaml.MappingNode):
                waiting.extend(part for pair in here.value for part in pair)
            elif isinstance(here, yaml.SequenceNode):
                waiting.extend(here.value)

    def written(self, node: yaml.Node) -> str:
        """A node as it stands in the text."""
        start, end = self._span(node)
        return self.text[start:end]

    # ------------------------------------------------------------------ changing

    def put(self, node: yaml.Node, written: str) -> None:
        """Write this in the place of a node."""
        self._changes.append((*self._span(node), written))

    def put_entry(self, found: tuple[yaml.Node, yaml.Node], written: str) -> None:
        """Write this behind a key of a block mapping, in the place of whatever stands there."""
        key, value = found
        start = self._at(key.end_mark)
        line = self._end(value, key.start_mark.line)
        self._changes.append((start, min(self._starts[line], len(self.text)), f": {written}\n"))

    def put_list(self, node: yaml.SequenceNode, names: Sequence[str]) -> None:
        """Write these scalars in the place of a list."""
        if node.flow_style or not names:
            start, end = self._span(node)
            end = start + len(self.text[start:end].rstrip())
            self._changes.append((start, end, f"[{', '.join(map(scalar, names))}]"))
            return
        first, last = node.start_mark.line, node.value[-1].end_mark.line
        pad = " " * node.start_mark.column
        self._lines(first, last + 1, [f"{pad}- {scalar(name)}" for name in names])

    def set(self, node: yaml.MappingNode, key: str, value: str | int | None) -> None:
        """Give the key of a block mapping this value, or take it away (None)."""
        found = self.entry(node, key)
        if value is None:
            if found:
                self.drop_entry(node, found)
        elif found:
            self.put(found[1], scalar(value))
        else:
            self.add(node, [f"{key}: {scalar(value)}"])

    def add(self, node: yaml.MappingNode, lines: Sequence[str]) -> None:
        """Write lines behind the last of a block mapping."""
        pad = " " * node.start_mark.column
        self._lines(self._end(node), self._end(node), [f"{pad}{line}" for line in lines])

    def drop_entry(self, node: yaml.MappingNode, found: tuple[yaml.Node, yaml.Node]) -> None:
        """Take away a key of a block mapping, its value, and the remarks above it. It has others."""
        line = found[0].start_mark.line
        if self._rows[line][
            : found[0].start_mark.column
        ].strip():  # `- key: value`: what follows must begin the item then
            after = node.value[1][0].start_mark
            self._changes.append((self._at(found[0].start_mark), self._at(after), ""))
            return
        self._lines(self._remarks(line, found[0].start_mark.column), self._end(found[1], line), [])

    def drop_item(self, mapping: yaml.MappingNode, key: str, number: int) -> None:
        """Take away an item of the block list at `key`, with the remarks above it; the last one takes the list along."""
        found = self.entry(mapping, key)
        assert found is not None
        items = found[1].value
        if len(items) == 1:
            line = found[0].start_mark.line
            self._lines(self._remarks(line, found[0].start_mark.column), self._end(items[0], line), [])
            return
        item = items[number]
        line, column = item.start_mark.line, found[1].start_mark.column
        self._lines(self._remarks(line, column), self._end(item, line), [])

    def changed(self) -> str:
        """The text with all changes made. Raises ValueError where two of them meet."""
        found, behind = [], 0
        for start, end, written in sorted(self._changes):
            if start < behind:
                raise ValueError("two changes meet")
            found += [self.text[behind:start], written]
            behind = end
        return "".join([*found, self.text[behind:]])

    # ------------------------------------------------------------------ places

    def _at(self, mark: yaml.Mark) -> int:
        return self._starts[mark.line] + int(mark.column)

    def _span(self, node: yaml.Node) -> tuple[int, int]:
        return self._at(node.start_mark), self._at(node.end_mark)

    def _lines(self, first: int, after: int, lines: Sequence[str]) -> None:
        start = min(self._starts[first], len(self.text))
        missing = "\n" if lines and start and not self.text[:start].endswith("\n") else ""
        end = min(self._starts[after], len(self.text))
        self._changes.append((start, end, missing + "".join(f"{line}\n" for line in lines)))

    def _remarks(self, line: int, column: int) -> int:
        """The first of the lines right above `line` that hold nothing but a remark of the same indentation."""
        while line and self._rows[line - 1].startswith(f"{' ' * column}#"):
            line -= 1
        return line

    def _end(self, node: yaml.Node, first: int = 0) -> int:
        """The line behind the last one that says something of a node."""
        begun = int(node.start_mark.line)
        while (
            isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value
        ):  # it ends where the next begins
            last = node.value[-1]
            node = last[1] if isinstance(last, tuple) else last
        line = int(node.end_mark.line)
        if node.end_mark.column:
            line += 1
        least = max(first, begun) + 1
        while line > least and (not self._rows[line - 1].strip() or self._rows[line - 1].lstrip().startswith("#")):
            line -= 1
        return line
