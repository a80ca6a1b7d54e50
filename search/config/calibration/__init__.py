"""Safe ranges by measurement: which runs to make, and what they say. Pure."""
