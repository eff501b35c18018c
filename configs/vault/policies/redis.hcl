# What the AppRole of redis may do: read its own secrets, that of its administrator's
# account included, and have its own certificate issued.
path "secret/data/redis" {
  capabilities = ["read"]
}

path "secret/data/redis-admin" {
  capabilities = ["read"]
}

path "pki_int/issue/redis-role" {
  capabilities = ["update"]
}
