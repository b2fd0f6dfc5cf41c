"""Whole calls on real parts: a node of real processes, SIPp as buyers, our telephone as caller."""
