"""The operations on accounts: sign up, verify, log in, refresh, passwords."""

from aiohttp import web

from .accounts import is_email
from .auth_status import LoginStatus, SignupStatus, VerificationStatus
from .reading import texts_in
from .replies import error_reply, json_reply, success_reply
from .routing import Route, Visit

_BAD_EMAIL = "the e-mail address is not valid"


async def sign_up(visit: Visit) -> web.Response:
    """Register a user and mail a code."""
    wanted = texts_in(visit, "email", "password", "name")
    if wanted is None:
        return _no_signup("email, password and name are required", "CREDENTIALS_MISSING")
    email, password, name = wanted
    if not is_email(email):
        return _no_signup(_BAD_EMAIL, "INVALID_EMAIL")
    if visit.state.accounts.find(email) is not None:
        return _no_signup("email already in use", "ACCOUNT_ALREADY_EXISTS")
    user = visit.state.accounts.register(email=email, password=password, name=name)
    visit.state.mailbox.send_code(email)
    return success_reply("user registered", user=user.profile(), signupStatus=SignupStatus.SUCCESS)


async def verify_email(visit: Visit) -> web.Response:
    """Confirm an address with the code that was mailed to it."""
    wanted = texts_in(visit, "email", "code")
    if wanted is None:
        return _not_verified(400, "email and code are required", "CREDENTIALS_MISSING")
    email, code = wanted
    if not is_email(email):
        # No number says "invalid e-mail" here.
        return _not_verified(400, _BAD_EMAIL, "CREDENTIALS_MISSING")
    user = visit.state.accounts.find(email)
    if user is None:
        return _not_verified(404, "account not found", "ACCOUNT_NOT_FOUND")
    if user.verified:
        return _not_verified(400, "account already verified", "ACCOUNT_EXISTS")
    verdict = visit.state.mailbox.judge_code(email, code)
    if verdict == "wrong":
        return _not_verified(400, "invalid code", "INVALID_CODE")
    if verdict == "stale":
        return _not_verified(400, "the code has expired", "RESEND_INVITE")
    user = visit.state.accounts.change(user, verified=True)
    return success_reply(
        "email verified",
        userData=user.short_profile(),
        verificationStatus=VerificationStatus.SUCCESS,
    )


async def resend_code(visit: Visit) -> web.Response:
    """Mail another code, which replaces the one before."""
    wanted = texts_in(visit, "email")
    if wanted is None or not is_email(wanted[0]):
        return error_reply(400, "a valid email is required")
    user = visit.state.accounts.find(wanted[0])
    if user is None:
        return error_reply(404, "account not found")
    if user.verified:
        return error_reply(400, "account already verified")
    visit.state.mailbox.send_code(user.email)
    return success_reply("verification code sent")


async def log_in(visit: Visit) -> web.Response:
    """Hand out a token and a refresh token for an address and its password."""
    wanted = texts_in(visit, "email", "password")
    if wanted is None:
        return _no_login(400, "credentials missing", "CREDENTIALS_MISSING")
    email, password = wanted
    if not is_email(email):
        return _no_login(400, _BAD_EMAIL, "INVALID_EMAIL")
    user = visit.state.accounts.find(email)
    if user is None:
        return _no_login(404, "user not found", "USER_NOT_FOUND")
    if user.password != password:
        return _no_login(401, "invalid password", "INVALID_PASSWORD")
    if not user.verified:
        # The page names the number, but no HTTP status for it.
        return _no_login(401, "account not verified", "ACCOUNT_NOT_VERIFIED")
    pair = visit.state.tokens.issue(user.email)
    return success_reply(
        "logged in",
        token=pair.token,
        refreshToken=pair.refresh_token,
        expirationTime=visit.state.clock.stamp(pair.expires_at),
        user=user.profile(),
        loginStatus=LoginStatus.SUCCESS,
    )


async def refresh_token(visit: Visit) -> web.Response:
    """Exchange a refresh token. The answer has no envelope, and a key misspelt by the vendor."""
    wanted = texts_in(visit, "refreshToken")
    if wanted is None:
        return error_reply(400, "resfreshToken is required")
    tokens = visit.state.tokens
    email = tokens.refresh_owner(wanted[0])
    if email is None:
        return error_reply(401, "invalid or expired resfreshToken")
    if visit.state.accounts.find(email) is None:
        return error_reply(404, "user not found")
    pair = tokens.refresh(wanted[0])
    content = {
        "token": pair.token,
        "expirationTime": visit.state.clock.stamp(pair.expires_at),
    }
    key = visit.state.quirks.refresh_token_key
    if key is not None:
        content[key] = pair.refresh_token
    return json_reply(content)


async def change_password(visit: Visit) -> web.Response:
    """Replace a password. A wrong old one is 401, just like a bad credential."""
    wanted = texts_in(visit, "oldPassword", "newPassword")
    if wanted is None:
        return error_reply(400, "oldPassword and newPassword are required")
    old, new = wanted
    if visit.user.password != old:
        return error_reply(401, "the old password is wrong")
    visit.state.accounts.change(visit.user, password=new)
    return success_reply("password updated")


async def forgot_password(visit: Visit) -> web.Response:
    """Mail a reset token."""
    wanted = texts_in(visit, "email")
    if wanted is None or not is_email(wanted[0]):
        return error_reply(400, "a valid email is required")
    if visit.state.accounts.find(wanted[0]) is None:
        return error_reply(404, "user not found")
    visit.state.mailbox.send_reset(wanted[0])
    return success_reply("reset link sent if registered")


async def reset_password(visit: Visit) -> web.Response:
    """Replace a password with the help of a mailed token, once."""
    wanted = texts_in(visit, "token", "newPassword")
    if wanted is None:
        return error_reply(400, "token and newPassword are required")
    token, new = wanted
    email = visit.state.mailbox.spend_reset(token)
    user = None if email is None else visit.state.accounts.find(email)
    if user is None:
        return error_reply(400, "token expired or invalid")
    visit.state.accounts.change(user, password=new)
    return success_reply("password reset")


def _no_signup(message: str, name: str) -> web.Response:
    return error_reply(400, message, signupStatus=SignupStatus[name])


def _not_verified(status: int, message: str, name: str) -> web.Response:
    return error_reply(status, message, verificationStatus=VerificationStatus[name])


def _no_login(status: int, message: str, name: str) -> web.Response:
    return error_reply(status, message, loginStatus=LoginStatus[name])


AUTH_ROUTES = (
    Route(
        operation="signup", method="POST", path="/auth/signup", handle=sign_up, credential="none"
    ),
    Route(
        operation="verifyEmail",
        method="POST",
        path="/auth/verify-email",
        handle=verify_email,
        credential="none",
    ),
    Route(
        operation="resendVerificationCode",
        method="POST",
        path="/auth/resend-code",
        handle=resend_code,
        credential="none",
    ),
    Route(operation="login", method="POST", path="/auth/login", handle=log_in, credential="none"),
    Route(
        operation="refreshToken",
        method="POST",
        path="/auth/refresh-token",
        handle=refresh_token,
        credential="none",
    ),
    Route(
        operation="changePassword",
        method="POST",
        path="/auth/change-password",
        handle=change_password,
    ),
    Route(
        operation="forgotPassword",
        method="POST",
        path="/auth/forgot-password",
        handle=forgot_password,
        credential="none",
    ),
    Route(
        operation="resetPassword",
        method="POST",
        path="/auth/reset-password",
        handle=reset_password,
        credential="none",
    ),
)
