"""TLS as an auditor sees it: handshakes, certificates, versions, ciphers, and what is wrong."""
