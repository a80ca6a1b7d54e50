"""Output on a terminal, into a file or a pipe: tables, verdicts and the live view of a run."""
