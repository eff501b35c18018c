# What the AppRole of mysql may do: read its own secret, have its own certificate issued.
path "secret/data/mysql" {
  capabilities = ["read"]
}

path "pki_int/issue/mysql-role" {
  capabilities = ["update"]
}
