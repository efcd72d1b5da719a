"""Logging in, passwords, and tokens for programs."""
