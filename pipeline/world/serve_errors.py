"""How the doubles say no: the error codes and HTTP statuses of the real services."""

from __future__ import annotations


class ServiceRefusal(Exception):
    """A refusal as AWS words it; `code` is the exception name that boto3 shows, e.g. `ValidationException`."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Keep the parts that go into the HTTP answer."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
