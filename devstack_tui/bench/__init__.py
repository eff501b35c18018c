"""Benchmarks: workloads run in a child process, measured as runs, compared with evidence."""
