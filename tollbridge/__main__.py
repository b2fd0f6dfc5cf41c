"""`python -m tollbridge` is the command line."""

from tollbridge.cli import main

main()
