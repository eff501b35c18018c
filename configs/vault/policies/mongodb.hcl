# What the AppRole of mongodb may do: read its own secrets, that of its administrator's
# account included, and have its own certificate issued.
path "secret/data/mongodb" {
  capabilities = ["read"]
}

path "secret/data/mongodb-admin" {
  capabilities = ["read"]
}

path "pki_int/issue/mongodb-role" {
  capabilities = ["update"]
}
