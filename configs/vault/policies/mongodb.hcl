# What the AppRole of mongodb may do: read its own secret, have its own certificate issued.
path "secret/data/mongodb" {
  capabilities = ["read"]
}

path "pki_int/issue/mongodb-role" {
  capabilities = ["update"]
}
