# What the AppRole of rabbitmq may do: read its own secret, have its own certificate issued.
path "secret/data/rabbitmq" {
  capabilities = ["read"]
}

path "pki_int/issue/rabbitmq-role" {
  capabilities = ["update"]
}
