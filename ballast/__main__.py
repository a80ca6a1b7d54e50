"""`ballast` and `python -m ballast`: the command line."""

from ballast.packages import start_module


def main() -> None:
    """Run the command line."""
    start_module().start()


if __name__ == "__main__":
    main()
