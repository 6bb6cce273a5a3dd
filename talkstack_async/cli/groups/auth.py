"""`talkstack auth`: accounts, the login of this machine, passwords.

Passwords and codes are typed without echo, or come from the environment; never from options,
which everybody on the machine can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...models.users import TokenPair
from ...secret import Secret
from ..asking import ask, ask_anonymously
from ..exits import CliError, ExitCode
from ..options import Json, group
from ..output import Screen
from ..prompts import ask_secret
from ..standing import credential_facts, source_in_env
from ..tables import as_json, cell, show_done

if TYPE_CHECKING:
    from ...client import Client
    from ..token_file import StoredLogin, TokenFile

__all__ = ["app"]

app = group(
    "auth",
    "Accounts and logins. Passwords and codes are asked for without echo; scripts set "
    "TALKSTACK_PASSWORD, TALKSTACK_NEW_PASSWORD and TALKSTACK_CODE.",
)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The address of the account.")]

_PASSWORD, _NEW_PASSWORD = "TALKSTACK_PASSWORD", "TALKSTACK_NEW_PASSWORD"
_CODE = "TALKSTACK_CODE"


@app.command()
def signup(
    email: Email,
    *,
    name: Annotated[str, typer.Option(help="Your name.")],
    json: Json = False,
) -> int:
    """Register. The service mails a code for talkstack auth verify."""
    screen = Screen(json=json)
    password = ask_secret("Password", variable=_PASSWORD, twice=True)

    async def work(client: Client) -> None:
        await client.auth.signup(email, password=password, name=name)
        show_done(
            f"registered; a code is mailed to {email}: talkstack auth verify {email}",
            screen=screen,
            registered=email,
        )

    return ask_anonymously(work)


@app.command()
def verify(
    email: Email,
    *,
    resend: Annotated[
        bool, typer.Option("--resend", help="Have the code mailed again, and stop.")
    ] = False,
    json: Json = False,
) -> int:
    """Confirm an address with the code that was mailed to it."""
    screen = Screen(json=json)
    code = None if resend else ask_secret("Code", variable=_CODE)

    async def work(client: Client) -> None:
        if code is None:
            await client.auth.resend_code(email)
            show_done(f"a code is mailed to {email}", screen=screen, mailed=email)
            return
        await client.auth.verify_email(email, code=code)
        show_done(f"verified; log in: talkstack auth login {email}", screen=screen, verified=email)

    return ask_anonymously(work)


@app.command()
def login(email: Email, *, json: Json = False) -> int:
    """Log in, and keep the login in a file that only you can read.

    The file is TALKSTACK_TOKEN_FILE, otherwise talkstack/tokens.json in XDG_CONFIG_HOME or
    ~/.config. Other commands use it if the environment holds no credential.
    """
    from ..token_file import TokenFile

    screen = Screen(json=json)
    password = ask_secret("Password", variable=_PASSWORD)
    file = TokenFile.of_user()

    async def work(client: Client) -> None:
        session = await client.auth.login(email, password=password)
        stored = _stored(session, api_url=client.config.api_url, email=email)
        file.write(stored)
        _say_stored("logged in", stored, file, screen=screen)
        if (in_env := source_in_env(client.config)) is not None:
            screen.note(f"not used as long as {in_env} is set in the environment")

    return ask_anonymously(work)


@app.command()
def refresh(*, json: Json = False) -> int:
    """Renew the stored login. Other commands do so by themselves when it is needed."""
    from ..token_file import TokenFile

    screen = Screen(json=json)
    file = TokenFile.of_user()
    known = file.read()
    if known is None:
        raise CliError("there is no stored login: talkstack auth login")
    renewing = known.refresh_token
    if renewing is None:
        raise CliError("the stored login cannot be renewed: talkstack auth login")

    async def work(client: Client) -> None:
        if client.config.api_url != known.api_url:
            raise CliError(
                f"the stored login belongs to {known.api_url}, not to {client.config.api_url}"
            )
        pair = await client.auth.refresh(renewing)
        stored = _stored(pair, api_url=known.api_url, email=known.email, keep=renewing)
        file.write(stored)
        _say_stored("renewed", stored, file, screen=screen)

    return ask_anonymously(work)


@app.command()
def logout(*, json: Json = False) -> int:
    """Delete the stored login. The service cannot revoke a token: it dies by itself."""
    from ..token_file import TokenFile

    screen = Screen(json=json)
    file = TokenFile.of_user()
    was_there = file.delete()
    text = f"deleted: {file.path}" if was_there else "there was no stored login"
    show_done(text, screen=screen, deleted=was_there, file=str(file.path))
    return ExitCode.ALL_PLACED


@app.command()
def status(*, json: Json = False) -> int:
    """Say which credential other commands use, without asking the service. Exit 2 if none."""
    from ...clock import SystemClock
    from ...config import ClientConfig
    from ..token_file import TokenFile

    screen = Screen(json=json)
    facts = credential_facts(ClientConfig.from_env(), TokenFile.of_user(), now=SystemClock().now())
    screen.document(as_json(facts))
    if not screen.json:
        screen.facts([(name.replace("_", " "), cell(one)) for name, one in facts.items()])
    return ExitCode.ALL_PLACED if facts["credential"] else ExitCode.USAGE


@app.command("forgot-password")
def forgot_password(email: Email, *, json: Json = False) -> int:
    """Have a link mailed that lets you set a new password."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        await client.auth.forgot_password(email)
        show_done(
            f"if {email} is registered, a link is mailed: talkstack auth reset-password takes "
            "the token in it",
            screen=screen,
            requested=email,
        )

    return ask_anonymously(work)


@app.command("reset-password")
def reset_password(*, json: Json = False) -> int:
    """Set a new password with the token of the link that was mailed; it is good once."""
    screen = Screen(json=json)
    token = ask_secret("Token", variable=_CODE)
    new = ask_secret("New password", variable=_NEW_PASSWORD, twice=True)

    async def work(client: Client) -> None:
        await client.auth.reset_password(token, new_password=new)
        show_done("the new password is set", screen=screen, reset=True)

    return ask_anonymously(work)


@app.command("change-password")
def change_password(*, json: Json = False) -> int:
    """Change the password of the account the credential belongs to."""
    screen = Screen(json=json)
    old = ask_secret("Old password", variable=_PASSWORD)
    new = ask_secret("New password", variable=_NEW_PASSWORD, twice=True)

    async def work(client: Client) -> None:
        await client.auth.change_password(old_password=old, new_password=new)
        show_done("the password is changed", screen=screen, changed=True)

    return ask(work, screen=screen)


def _stored(
    pair: TokenPair, *, api_url: str, email: str | None, keep: Secret | None = None
) -> StoredLogin:
    from ..token_file import StoredLogin

    return StoredLogin(
        api_url=api_url,
        token=pair.token,
        refresh_token=pair.refresh_token or keep,
        expires_at=pair.expires_at,
        email=email,
    )


def _say_stored(what: str, login: StoredLogin, file: TokenFile, *, screen: Screen) -> None:
    until = f", good until {cell(login.expires_at)}" if login.expires_at else ""
    show_done(
        f"{what}; kept in {file.path}{until}",
        screen=screen,
        file=str(file.path),
        expires_at=login.expires_at,
    )
