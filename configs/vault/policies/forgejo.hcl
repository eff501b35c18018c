# What the AppRole of forgejo may do: read its own secret, have its own certificate issued.
path "secret/data/forgejo" {
  capabilities = ["read"]
}

path "pki_int/issue/forgejo-role" {
  capabilities = ["update"]
}
