"""The page is read back with a parser: what went in is text, and nothing is loaded from anywhere."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from search.text import COLOURS, one_line, short_value
from search.watching.blocks import Block, CodeBlock, Heading, Paragraph, Plot, TableBlock
from search.watching.pages.html import to_html
from search.watching.plots.plotly_parts import SYMBOLS
from storage.verdicts import Verdict

EVIL = (
    '<img src=x onerror=alert(1)>|a "&amp;" </script><script>alert(1)</script> <!-- $x$ '
    "[a](javascript:alert(1))" + "x" * 120
)
PLOT = Plot("skill", "Skill", "Above the line.", {"data": [{"y": [1.5, None], "name": EVIL}], "layout": {}})
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "nav", "ul", "li", "a", "h1", "h2", "p"),
    *("div", "table", "thead", "tbody", "tr", "th", "td", "pre", "code"),
}
"""All that a page without figures and verdicts is made of."""


class Page(HTMLParser):
    """A page as a browser would read it: its elements, their text, and what they say of themselves."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[int] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self._open.append(len(self.elements))
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag]

    def text_of(self, tag: str) -> list[str]:
        """The text of each element of this name, without that of the elements in it."""
        return [text for (name, _), text in zip(self.elements, self.texts, strict=True) if name == tag]


def page(*blocks: Block, title: str = "Study") -> Page:
    return Page(to_html(title, blocks))


@hypothesis_settings(deadline=None)
@given(st.text(max_size=40) | st.just(EVIL))
def test_text_comes_back_as_text_wherever_it_stands(text: str) -> None:
    read = page(
        Heading(text, 1),
        Heading(text, 2),
        Paragraph(text, strong=True),
        TableBlock((text, "b"), [(text, 1)]),
        CodeBlock(text),
        title=text,
    )

    assert {tag for tag, _ in read.elements} <= TAGS
    line = one_line(text)
    assert [read.text_of(tag)[0] for tag in ("title", "h1", "h2", "p", "th")] == [line] * 5
    assert read.text_of("td") == [short_value(text), "1"]
    assert read.attributes("script") == []


def test_a_figure_comes_back_as_it_was_and_cannot_end_its_element() -> None:
    read = page(Heading("Figures"), PLOT)

    kinds = [attributes.get("type") for attributes in read.attributes("script")]
    assert kinds == ["application/json", None, None]
    assert json.loads(read.text_of("script")[0]) == PLOT.figure
    assert read.attributes("div")[0]["aria-label"] == "Skill: Above the line."


def test_plotly_is_there_once_however_many_figures_and_not_without_one() -> None:
    with_two = to_html("t", [PLOT, Plot("other", "t", "a", {"data": [], "layout": {}})])

    assert with_two.count("plotly.js v") == 1
    assert len(to_html("t", [Paragraph("no figure")])) < 10_000


@pytest.mark.parametrize("blocks", [(PLOT,), (Paragraph("no figure"),)])
def test_no_script_runs_but_those_that_the_policy_names(blocks: tuple[Block, ...]) -> None:
    read = page(*blocks)
    scripts = [
        text
        for text, attributes in zip(read.text_of("script"), read.attributes("script"), strict=True)
        if "type" not in attributes
    ]
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts]
    allowed = " ".join(hashes) or "'none'"
    policy = next(a["content"] for a in read.attributes("meta") if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; script-src {allowed}; style-src")


def test_nothing_is_loaded_from_anywhere() -> None:
    html = to_html(
        EVIL, [Heading(EVIL), Paragraph(EVIL), TableBlock((EVIL,), [(EVIL,)]), CodeBlock(EVIL), PLOT]
    )
    read = Page(html)

    for _, attributes in read.elements:
        assert not {"src", "srcset", "onerror", "onload", "data", "action"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import", "".join(read.text_of("style")))


def test_plotly_offers_no_upload_and_no_logo() -> None:
    ours = page(PLOT).text_of("script")[-1]

    assert "showSendToCloud: false" in ours
    assert "displaylogo: false" in ours


def test_each_section_has_an_id_of_its_own_that_the_contents_lead_to() -> None:
    names = ("Data 2", "Data", "Data", "The guard's diary", "ÄÖ", "日本", EVIL)
    read = page(Heading("Study", 1), *(Heading(name) for name in names), Heading("a part", 3))

    ids = [attributes["id"] for attributes in read.attributes("h2")]
    assert len(set(ids)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]+", found or "") for found in ids)
    assert [attributes["href"] for attributes in read.attributes("a")] == [f"#{found}" for found in ids]
    assert read.text_of("a") == list(names)


def test_a_verdict_has_its_colour_and_its_word() -> None:
    read = page(TableBlock(("verdict",), [(verdict,) for verdict in Verdict]))

    drawn = read.attributes("path")
    for shape, verdict in zip(drawn, Verdict, strict=True):
        assert COLOURS[verdict] in (shape["fill"], shape.get("stroke"))
        assert ("stroke" in shape) == SYMBOLS[verdict].endswith("-open")
    assert len({(shape["d"], shape["fill"] == "none") for shape in drawn}) == len(Verdict)
    assert read.text_of("span") == [verdict.value for verdict in Verdict]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None, -3e-7, float("nan"), float("-inf")], "n"),
        (["+0.1594", "–", "12 s", "3 min 05 s"], "n"),
        (["sp500-volatility.yaml:33", ""], "w"),
        ([12, "x" * 41], "t"),
    ],
)
def test_numbers_words_and_prose_are_set_differently(values: list[Any], kind: str) -> None:
    read = page(TableBlock(("column",), [(value,) for value in values]))

    assert {attributes["class"] for attributes in read.attributes("td")} == {kind}


def test_a_table_scrolls_in_a_box_that_is_named_and_can_be_reached_by_keyboard() -> None:
    read = page(Heading("Trials"), TableBlock(("trial", ""), []))

    assert read.attributes("div") == [
        {"class": "scroll", "role": "region", "tabindex": "0", "aria-label": "Trials: trial"}
    ]
    assert [attributes["scope"] for attributes in read.attributes("th")] == ["col", "col"]
    assert read.attributes("html") == [{"lang": "en"}]
