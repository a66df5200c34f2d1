"""Requests and answers in XML: texts and attributes are places of their own, and every other byte stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.profile import Profile
from assembler.rpc import xml_slots
from assembler.xml_texts import leaves
from tests.assembler.recorded import Call, get, profile_of

XML = ("content-type", "application/xml; charset=utf-8")
CODE = "7d1c2a5e-1111-4222-8333-944455556666"


def soap(body: str) -> str:
    return f'<?xml version="1.0"?>\n<s:Envelope xmlns:s="urn:soap"><!-- 17 --><s:Body>{body}</s:Body></s:Envelope>'


def xml(path: str, answer: str, body: str) -> Call:
    return Call("POST", path, answer, kind=XML, sent=[XML], body=body)


def sources(profile: Profile) -> dict[str, list[str]]:
    return {step.id: sorted(e.was or "" for e in step.extract.values()) for step in profile.steps if step.extract}


ANSWERS = {
    "an element under its noun": "<order><id>17</id><weight>17</weight></order>",
    "an element that says of what": "<r><o:orderId>17</o:orderId></r>",
    "an attribute": '<orders><order  state="new" id="17"/></orders>',
    "behind others": '<orders><order id="3"/><order id="17"/></orders>',
    "in a section that escapes nothing": "<order><id><![CDATA[17]]></id></order>",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(
    "body", ["<pay><order><id>17</id></order></pay>", "<pay><orderId>17</orderId></pay>", '<pay><order id="17"/></pay>']
)
def test_a_counted_id_goes_from_document_to_document(tmp_path: Path, answer: str, body: str) -> None:
    made = xml("/shop", soap(answer), soap("<make/>"))
    profile = profile_of(tmp_path, [made, xml("/shop", soap("<ok/>"), soap(body))])
    assert sources(profile) == {"post-shop": ["17"]}
    (name,) = profile.steps[0].extract
    assert profile.steps[1].text == soap(body.replace("17", f"{{{{ steps.post-shop.{name} }}}}"))


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ("<order><weight>17</weight></order>", "<pay><order><id>17</id></order></pay>"),
        ("<order><id>17</id></order>", "<pay><weight>17</weight></pay>"),
        ("<parcel><id>17</id></parcel>", "<pay><orderId>17</orderId></pay>"),
    ],
)
def test_chance_equality_proves_nothing(tmp_path: Path, answer: str, body: str) -> None:
    profile = profile_of(tmp_path, [xml("/shop", answer, "<make/>"), xml("/other", "<ok/>", body)])
    assert sources(profile) == {}
    assert profile.steps[1].text == body


def test_a_counted_id_goes_into_an_address(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, [xml("/orders", "<order><id>17</id></order>", "<make/>"), get("/orders/17", "tea")])
    assert sources(profile) == {"post-orders": ["17"]}


def test_a_random_id_and_an_address_inside_a_document(tmp_path: Path) -> None:
    body = f'<mv note="a &amp; b"><D:href>/files/{CODE}/a%20b</D:href><t>x &lt; y</t></mv>'
    made = xml("/files", f"<file><uid>{CODE}</uid></file>", "<make/>")
    profile = profile_of(tmp_path, [made, xml("/move", "<ok/>", body)])
    (name,) = profile.steps[0].extract
    assert profile.steps[1].text == body.replace(CODE, f"{{{{ steps.post-files.{name} }}}}")


PIECES = st.sampled_from(
    ["<a>", "</a>", "<b x='1' y=\"&amp;2\">", "</b>", "<c/>", " text ", "17", "&lt;", "<!-- <a> -->",
     "<![CDATA[<17>]]>", "<?p 1?>", "<", ">", '"', "\n", "<!D>"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_every_leaf_stands_where_it_says(text: str) -> None:
    ends = 0
    for leaf in leaves(text):
        assert text[leaf.start : leaf.end] == leaf.written
        assert leaf.start >= ends
        ends = leaf.end
    assert len([*xml_slots(text)]) == len([leaf for leaf in leaves(text) if leaf.name != "xmlns"])
