"""Reading a table: from the bytes of its files to text or number columns, then to times and numbers.

`content` opens files and unpacks them within bounds, `csv_form` finds out how a text file is written,
`csv_columns` and `arrow_columns` read columns with pyarrow, `exact_csv` names the line that pyarrow cannot
read, `numbers`, `time_texts` and `clock` turn texts into numbers and moments, `source_columns` joins the
files of a source.
"""
