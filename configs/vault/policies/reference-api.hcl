# The reference API talks to every backend with that backend's own secret.
path "secret/data/reference-api" {
  capabilities = ["read"]
}

path "secret/data/postgres" {
  capabilities = ["read"]
}

path "secret/data/mysql" {
  capabilities = ["read"]
}

path "secret/data/mongodb" {
  capabilities = ["read"]
}

path "secret/data/redis" {
  capabilities = ["read"]
}

path "secret/data/rabbitmq" {
  capabilities = ["read"]
}

path "pki_int/issue/reference-api-role" {
  capabilities = ["update"]
}
