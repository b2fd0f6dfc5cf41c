"""Top floor: the command line, the settings and the processes of one node."""
