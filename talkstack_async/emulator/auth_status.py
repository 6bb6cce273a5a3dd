"""The numbers by which the authentication operations say how they went."""

from enum import IntEnum


class SignupStatus(IntEnum):
    """`signupStatus`."""

    CREDENTIALS_MISSING = 0
    ACCOUNT_ALREADY_EXISTS = 1
    EMAIL_NOT_VERIFIED = 2
    SUCCESS = 3
    SIGNUP_FAILED = 4
    INVALID_EMAIL = 5
    EMAIL_NOT_SENT = 6


class LoginStatus(IntEnum):
    """`loginStatus`. What concerns HubSpot is never sent."""

    CREDENTIALS_MISSING = 0
    ACCOUNT_ALREADY_EXISTS = 1
    ACCOUNT_NOT_VERIFIED = 2
    USER_NOT_FOUND = 3
    INVALID_PASSWORD = 4
    HUBSPOT_INTEGRATION_FAILED = 5
    HUBSPOT_INTEGRATION_SUCCESS = 6
    SUCCESS = 7
    LOGIN_FAILED = 8
    INVALID_EMAIL = 9


class VerificationStatus(IntEnum):
    """`verificationStatus`."""

    CREDENTIALS_MISSING = 0
    INVALID_CODE = 1
    SUCCESS = 2
    RESEND_INVITE = 3
    ACCOUNT_EXISTS = 4
    ACCOUNT_NOT_FOUND = 5
