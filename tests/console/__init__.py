"""Tests of the console: no server, a recorded stack."""
