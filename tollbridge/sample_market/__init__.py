"""A small market written down as values and put into the database: for the demo and for call tests."""
