# What the AppRole of redis may do: read its own secret, have its own certificate issued.
path "secret/data/redis" {
  capabilities = ["read"]
}

path "pki_int/issue/redis-role" {
  capabilities = ["update"]
}
