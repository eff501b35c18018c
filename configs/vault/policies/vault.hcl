# What the health probe of Vault may do: read one secret, have the listener's certificate issued.
path "secret/data/vault" {
  capabilities = ["read"]
}

path "pki_int/issue/vault-role" {
  capabilities = ["update"]
}
