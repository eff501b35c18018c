# What the AppRole of mysql may do: read its own secrets, that of its administrator's
# account included, and have its own certificate issued.
path "secret/data/mysql" {
  capabilities = ["read"]
}

path "secret/data/mysql-admin" {
  capabilities = ["read"]
}

path "pki_int/issue/mysql-role" {
  capabilities = ["update"]
}
