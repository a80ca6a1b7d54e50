"""Studies of data without any signal, and of data with a known one: what is claimed, and what is found."""
