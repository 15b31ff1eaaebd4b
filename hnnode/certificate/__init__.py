"""Certificates of evidence: what the chain says of one preserved file, as one file that verifies offline and prints."""
