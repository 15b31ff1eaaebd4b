"""Consensus: drives the native engine. Inputs (frames, timers, decided blocks) go in, effects come out and are carried out in order."""
