"""Maps trainer results to rows of the record, and rows to results."""
