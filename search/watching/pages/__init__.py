"""Pages about a study and a trial as blocks, written as Markdown or HTML."""
