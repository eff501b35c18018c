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

# For `check run vault`, which only looks: what is declared of Vault beyond its AppRoles. Names and
# settings; the data of no secret.
path "secret/metadata" {
  capabilities = ["list"]
}

path "secret/metadata/+" {
  capabilities = ["read"]
}

path "auth/token/roles" {
  capabilities = ["list"]
}

path "identity/entity/id" {
  capabilities = ["list"]
}

path "identity/entity/id/+" {
  capabilities = ["read"]
}

path "identity/group/id" {
  capabilities = ["list"]
}

path "identity/group-alias/id" {
  capabilities = ["list"]
}

path "identity/mfa/method" {
  capabilities = ["list"]
}

path "identity/mfa/login-enforcement" {
  capabilities = ["list"]
}

path "identity/oidc/+" {
  capabilities = ["read", "list"]
}

path "pki/certs" {
  capabilities = ["list"]
}

path "pki_int/certs" {
  capabilities = ["list"]
}

path "pki/keys" {
  capabilities = ["list"]
}

path "pki_int/keys" {
  capabilities = ["list"]
}

path "pki/config/+" {
  capabilities = ["read"]
}

path "pki_int/config/+" {
  capabilities = ["read"]
}

path "sys/namespaces" {
  capabilities = ["list"]
}

path "sys/policies/password" {
  capabilities = ["list"]
}

path "sys/quotas/rate-limit" {
  capabilities = ["list"]
}

path "sys/plugins/catalog" {
  capabilities = ["read"]
}

path "sys/external-keys/configs" {
  capabilities = ["list"]
}

path "sys/workflows/manage" {
  capabilities = ["list"]
}

path "sys/storage/raft/configuration" {
  capabilities = ["read"]
}

path "sys/config/cors" {
  capabilities = ["read", "sudo"]
}

path "sys/config/ui/headers" {
  capabilities = ["list", "sudo"]
}

path "sys/config/auditing/request-headers" {
  capabilities = ["read", "sudo"]
}

path "sys/rotate/config" {
  capabilities = ["read"]
}

path "sys/rotate/root/init" {
  capabilities = ["read", "sudo"]
}

path "sys/loggers" {
  capabilities = ["read"]
}

path "pki/issuer/default" {
  capabilities = ["read"]
}

path "pki_int/issuer/default" {
  capabilities = ["read"]
}
