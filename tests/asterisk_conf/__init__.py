"""Asterisk's configuration, installation and front door."""
