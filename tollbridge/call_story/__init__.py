"""One call's whole way, read back from the database and told in lines."""
