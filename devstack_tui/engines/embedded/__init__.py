"""The embedded engine: servers are processes of this machine."""
