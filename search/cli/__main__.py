"""`python -m search.cli`: the command without an installed script."""

from search.cli.main import main

main()
