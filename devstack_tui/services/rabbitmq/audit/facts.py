"""What the node reports of its accounts and settings, asked once an audit."""

from __future__ import annotations

import base64
from typing import cast

import msgspec

from devstack_tui.contracts.audit import Audit, ProtocolFault
from devstack_tui.core import codec
from devstack_tui.services.rabbitmq import erl_call

# As JSON in base64: as Erlang's own terms, it would write texts as numbers. The cookie stays there.
_QUESTION = """\
Shown = fun(V) -> iolist_to_binary(io_lib:format("~0p", [V])) end,
Set = fun(K) -> Shown(application:get_env(rabbit, K, undefined)) end,
Names = [proplists:get_value(user, P) || P <- rabbit_auth_backend_internal:list_users()],
Users = [U || N <- Names, {ok, U} <- [rabbit_auth_backend_internal:lookup_user(N)]],
Cookie = atom_to_list(erlang:get_cookie()),
binary_to_list(base64:encode(iolist_to_binary(rabbit_json:encode(#{
    users => [#{
        name => internal_user:get_username(U),
        hash => base64:encode(internal_user:get_password_hash(U)),
        hashing => Shown(rabbit_auth_backend_internal:hashing_module_for_user(U)),
        tags => [Shown(T) || T <- internal_user:get_tags(U)]
    } || U <- Users],
    permissions => [maps:from_list(P) || P <- rabbit_auth_backend_internal:list_permissions()],
    vhosts => rabbit_vhost:list_names(),
    cookie => [length(Cookie), length(lists:usort(Cookie))],
    settings => maps:merge(
        maps:from_list([{K, Set(K)} || K <- [
            auth_backends, auth_mechanisms, loopback_users, password_hashing_module,
            trace_vhosts]]),
        #{
            plugins => Shown(rabbit_plugins:active()),
            topic_permissions => Shown([maps:from_list(P) ||
                P <- rabbit_auth_backend_internal:list_topic_permissions()]),
            policies => Shown([proplists:get_value(name, P) ||
                P <- rabbit_policy:list() ++ rabbit_policy:list_op()]),
            parameters => Shown([proplists:get_value(name, P) ||
                P <- rabbit_runtime_parameters:list()])
        })
}))))"""


class User(msgspec.Struct, frozen=True):
    """An account; `hash` is as RabbitMQ exports it."""

    name: str
    hash: str
    hashing: str
    tags: list[str]


class Permission(msgspec.Struct, frozen=True):
    """What an account may do in a virtual host, as patterns of names."""

    user: str
    vhost: str
    configure: str
    write: str
    read: str


class Facts(msgspec.Struct, frozen=True):
    """`cookie`: how many characters it has, and how many different ones."""

    users: list[User]
    permissions: list[Permission]
    vhosts: list[str]
    cookie: tuple[int, int]
    settings: dict[str, str]

    def user(self, name: str) -> User | None:
        """The account of that name."""
        return next((user for user in self.users if user.name == name), None)


def facts(audit: Audit) -> Facts:
    """What the node reports. Raises `DevstackError`."""
    return cast(Facts, audit.once("rabbitmq.accounts", lambda: _ask(audit)))


def _ask(audit: Audit) -> Facts:
    question = f"(fun() -> {_QUESTION} end)()"
    answer = erl_call.evaluate(audit.units, audit.files("rabbitmq"), question, audit.timeout)
    try:
        return codec.decode(base64.b64decode(answer.strip('"')), Facts)
    except ValueError as error:
        raise ProtocolFault(f"the node's answer cannot be read: {error}") from None
