"""Leaks planted into real series, clean series beside them, and what finds the one and spares the other."""
