"""`make docs-reference`: write docs/reference/ anew."""

from docs.generate.pages import REFERENCE, reference_pages

if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, text in reference_pages().items():
        (REFERENCE / name).write_text(text)
