# Administration after the bootstrap: give a service another secret_id, and look at how Vault is
# set up. It reads no secret, and changes no policy and no role; but whoever can hand out a service's
# secret_id can become that service, so this AppRole is kept like the unseal key.
path "auth/approle/role/+/secret-id" {
  capabilities = ["update", "list"]
}

path "auth/approle/role/+/secret-id-accessor/destroy" {
  capabilities = ["update"]
}

path "auth/approle/role/+/secret-id-accessor/lookup" {
  capabilities = ["update"]
}

path "auth/approle/role/+/role-id" {
  capabilities = ["read"]
}

path "auth/approle/role/+" {
  capabilities = ["read"]
}

path "auth/approle/role" {
  capabilities = ["list"]
}

path "sys/policies/acl" {
  capabilities = ["list"]
}

path "sys/policies/acl/+" {
  capabilities = ["read"]
}

path "sys/mounts" {
  capabilities = ["read"]
}

path "sys/auth" {
  capabilities = ["read"]
}

path "sys/audit" {
  capabilities = ["read", "sudo"]
}

# What follows is for `check run approle`, which only looks. Accessors name tokens, and cannot be
# used as such: what they lead to is a token's policies, origin and end.
path "auth/token/accessors" {
  capabilities = ["list", "sudo"]
}

path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}

path "pki_int/roles" {
  capabilities = ["list"]
}

path "pki_int/roles/+" {
  capabilities = ["read"]
}

path "pki/roles" {
  capabilities = ["list"]
}

path "secret/config" {
  capabilities = ["read"]
}

path "sys/config/state/sanitized" {
  capabilities = ["read"]
}
