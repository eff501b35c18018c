# What the AppRole of postgres may do: read its own secret, have its own certificate issued.
path "secret/data/postgres" {
  capabilities = ["read"]
}

path "pki_int/issue/postgres-role" {
  capabilities = ["update"]
}
