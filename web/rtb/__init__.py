"""Publishers ask for a bid before they send a call: outside sign-in, behind keys of their own."""
