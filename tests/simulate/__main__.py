"""The command; what it does is in run.py, which its processes can import."""

from tests.simulate.run import main

main()
