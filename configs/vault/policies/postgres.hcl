# What the AppRole of postgres may do: read its own secrets, that of its administrator's
# account included, and have its own certificate issued.
path "secret/data/postgres" {
  capabilities = ["read"]
}

path "secret/data/postgres-admin" {
  capabilities = ["read"]
}

path "pki_int/issue/postgres-role" {
  capabilities = ["update"]
}
