"""Proofs of identity: what is kept of a secret, and how what somebody shows is checked against it."""
