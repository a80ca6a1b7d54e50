"""`python -m search.cli`: the command without an installed script."""

from search.cli.start import start

if __name__ == "__main__":
    start()
