"""Studies whose right answer is known: honest ones, leaking ones, nulls, real ones and faint ones."""
