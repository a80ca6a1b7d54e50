"""The first page of a dashboard with several studies: their answers, and links to their notes. Pure."""

from collections.abc import Mapping

from search.selection.summary import Summary
from search.watching.blocks import Block, Heading, Link, Paragraph, TableBlock


def studies_page(studies: Mapping[int, Summary], optuna_pages: str) -> list[Block]:
    """Return the page; `studies` by Optuna's id, and `optuna_pages` is the path of Optuna's own list."""
    rows = [
        (
            Link(summary.study.name, note_path(optuna_pages, study_id)),
            f"{summary.trials} of {summary.study.wanted}",
            summary.sentence(),
        )
        for study_id, summary in sorted(studies.items(), reverse=True)
    ]
    return [
        Heading("Studies", 1),
        Paragraph("Each name leads to the note of its study, the newest study first."),
        TableBlock(("study", "trials", "result"), rows),
        TableBlock(("other pages", ""), [(Link("Optuna's list of studies", optuna_pages), "with its plots")]),
    ]


def note_path(optuna_pages: str, study_id: int) -> str:
    """Return the path of a study's note."""
    return f"{optuna_pages}/studies/{study_id}/note"
