"""Asterisk's configuration, its installation and its front door: everything about a node's Asterisk but the calls."""
