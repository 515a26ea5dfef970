"""Reporters: verdicts in, something for people or programs out."""
