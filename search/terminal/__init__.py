"""What is printed: tables, verdicts and the live view of a run, fit for any terminal, file or pipe."""
