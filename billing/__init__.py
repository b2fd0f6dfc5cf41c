"""What a call costs and earns: terms, the ledger and the settlement of a call (DESIGN 6)."""
