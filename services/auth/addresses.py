"""E-mail addresses, in the one spelling that accounts are known by."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

__all__ = ["normalised"]


def normalised(email: str) -> str:
    """One spelling for one mailbox. Whether it takes mail is not asked: that would tell a name server who signs in."""
    try:
        return validate_email(email, check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
