"""Takes passwords out of what is shown. Imports nothing heavy: every command may have something to mask."""

import re


def mask_passwords(url: str) -> str:
    """A URL, or a sentence with one, without its passwords. It need not be valid, so it is not parsed."""
    without = re.sub(r"(://[^:/@\s]*:)\S*@", r"\1***@", url)
    return re.sub(r"(password=)[^&\s]*", r"\1***", without)


def masked_url(url: str) -> str:
    """A text that is a URL and nothing else, without its passwords, which may hold blanks and an @."""
    without = re.sub(r"(://[^:/]*:).*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"(password=)[^&]*", r"\1***", without)
