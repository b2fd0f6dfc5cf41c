"""The list of OWASP ASVS 5.0, levels 1 and 2: what is met and what shows it. docs/asvs.csv holds it."""
