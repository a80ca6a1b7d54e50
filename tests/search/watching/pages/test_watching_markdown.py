"""Whatever text is put into a page comes out of a Markdown parser as the same text, and as nothing else."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from search.text import one_line, short_value
from search.watching.blocks import Block, CodeBlock, Heading, Paragraph, Plot, TableBlock
from search.watching.pages.markdown import to_markdown
from storage.verdicts import Verdict

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
"""GitHub's flavour, with HTML let through: what is parsed as HTML here would be HTML under `allow_unsafe`."""

GFM_LINK = re.compile(r"https?://|www\.|[-.\w+]+@[-\w]+\.[-\w]+", re.IGNORECASE)
"""What remark-gfm makes links of in plain text (mdast-util-gfm-autolink-literal)."""

HOSTILE = [
    "<img src=x onerror=alert(1)>|a",
    "<script>alert(1)</script>",
    "<!-- -->",
    "$x$ $$y$$",
    "[a](javascript:alert(1))",
    "![a](http://b/c.png)",
    "<http://a.b>",
    "see https://a.b/c?d=`e`|f and www.a.b, or a.b@c.de",
    "a | b \\| c \\\\| d",
    "`` ` ```",
    "|",
    "\\",
    "a\\",
    "*a* **b** _c_ __d__ ~e~ ~~f~~",
    "snake_case_name and _private_",
    "&lt;b&gt; &#124; &amp;",
    "  two blanks at either end  ",
    "# no heading #",
    "- no list",
    "1. no list",
    "2) no list",
    "+ no list",
    "===",
    "---",
    "    no code",
    "> no quote",
    "[^1]: no footnote",
    "[ ] no task",
    "line\nbreak\r\n\r\n# heading",
    "\x00\x1b[31m\u202eabc\ud800",
    "",
    "ü" * 120,
]
PIECES = [
    "|",
    "\\",
    "`",
    "*",
    "_",
    "~",
    "<",
    ">",
    "&",
    "$",
    "#",
    "[",
    "]",
    "(",
    ")",
    "!",
    " ",
    "\n",
    "-",
    "1.",
]
WORDS = [
    "a",
    "Ä",
    "9",
    "www.",
    "http://",
    "HTTPS://x.y",
    "@",
    "a@b.cd",
    "<b>",
    "&amp;",
    "&#124;",
    "\u200b",
    "=",
]
unhurried = hypothesis_settings(deadline=None)
texts = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(PIECES + WORDS), max_size=12).map("".join),
    st.sampled_from(HOSTILE),
)
tables = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(texts, min_size=width, max_size=width),
        st.lists(st.lists(texts, min_size=width, max_size=width), max_size=4),
    )
)


def plain(token: Token) -> str:
    """The text of a cell, heading or paragraph, which must be made of text and code alone."""
    children = token.children or []
    assert {child.type for child in children} <= {"text", "code_inline"}, children
    assert not any(GFM_LINK.search(child.content) for child in children if child.type == "text")
    return "".join(child.content for child in children)


def parsed(*blocks: Block) -> list[Token]:
    """The tokens, none of which is HTML."""
    tokens = PARSER.parse(to_markdown(blocks))
    assert not any("html" in token.type for token in tokens)
    return tokens


def rows_of(tokens: list[Token]) -> Iterator[list[str]]:
    row: list[str] = []
    for token in tokens:
        if token.type == "inline":
            row.append(plain(token))
        elif token.type == "tr_close":
            yield row
            row = []


@unhurried
@given(tables)
def test_each_cell_of_a_table_comes_back_as_the_text_that_went_in(
    table: tuple[list[str], list[list[str]]],
) -> None:
    columns, rows = table
    tokens = parsed(Heading("before"), TableBlock(columns, rows), Paragraph("after"))

    inside = tokens[3:-3]
    assert (inside[0].type, inside[-1].type) == ("table_open", "table_close")
    assert list(rows_of(inside)) == [[short_value(text) for text in row] for row in [columns, *rows]]


@unhurried
@given(texts)
def test_a_paragraph_is_one_paragraph_of_its_text(text: str) -> None:
    tokens = parsed(Heading("before"), Paragraph(text), Heading("after"))[3:-3]

    assert [t.type for t in tokens] == (
        ["paragraph_open", "inline", "paragraph_close"] if one_line(text) else []
    )
    assert [plain(t) for t in tokens if t.type == "inline"] == ([one_line(text)] if tokens else [])


@unhurried
@given(texts)
def test_a_strong_paragraph_is_strong_and_nothing_else(text: str) -> None:
    inline = [t for t in parsed(Paragraph(text, strong=True)) if t.type == "inline"]

    children = [child for token in inline for child in token.children or []]
    kinds = [child.type for child in children if child.type not in ("text", "code_inline")]
    assert kinds == (["strong_open", "strong_close"] if one_line(text) else [])
    assert "".join(child.content for child in children) == one_line(text)


@unhurried
@given(texts)
def test_a_heading_is_one_heading_of_its_text(text: str) -> None:
    opening, inline, closing = parsed(Heading(text, 3))

    assert (opening.tag, closing.tag) == ("h3", "h3")
    assert plain(inline) == one_line(text)


@unhurried
@given(st.lists(texts.filter(lambda text: text.isprintable() and text), min_size=1, max_size=4))
def test_a_code_block_holds_its_lines_whatever_backticks_are_in_them(lines: list[str]) -> None:
    fence, *after = parsed(CodeBlock("\n".join(lines)), Heading("after"))

    assert (fence.type, after[0].type) == ("fence", "heading_open")
    assert fence.content == "\n".join(lines) + "\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_changes_the_shape_of_a_page(text: str) -> None:
    def shape(name: str) -> list[str]:
        tokens = parsed(
            Heading(name),
            Paragraph(f"x {name}"),
            TableBlock((name, "b"), [(name, 1), (2, name)]),
            CodeBlock(name),
        )
        return [token.type for token in tokens]

    assert shape(text) == shape("harmless")


def test_values_are_written_as_words_and_the_verdict_is_among_them() -> None:
    text = to_markdown(
        [TableBlock(("verdict", "loss", "on"), [(Verdict.UNSTABLE, 0.1 + 0.2, True), ("", None, {})])]
    )

    assert text == "|verdict|loss|on|\n|-|-|-|\n|unstable|0.3|true|\n||–|{}|\n"


def test_keys_are_written_without_escapes() -> None:
    assert to_markdown([Paragraph("models.gru.learning_rate")]) == "models.gru.learning_rate\n"


def test_a_figure_is_named_and_said_to_be_in_the_html_report() -> None:
    text = to_markdown([Plot("skill", "Skill", "Above the line it is more than luck.", {"data": []})])

    assert text == "Figure “Skill”, in the HTML report: Above the line it is more than luck.\n"
