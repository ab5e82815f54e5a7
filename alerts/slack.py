"""Slack, the only file that knows its client: no hidden retries, and every way a call can end sorted into seven."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from alerts.blocks import EVENT_TYPE
from alerts.transport import Envelope, Lookup, Outcome, Result

HISTORY_PAGE = 200
HISTORY_PAGES = 50
LOOKBACK_SECONDS = 120
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
DEFAULT_RETRY_AFTER = 30.0

# Slack's error names by what they mean for delivery; a name in none of the lists leaves the outcome unknown.
ERRORS = {
    Result.NOT_SENT_RETRY: """
        ratelimited rate_limited message_limit_exceeded team_added_to_org
    """,
    Result.PAYLOAD_BAD: """
        invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long no_text invalid_arguments
        invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_json json_not_object
        invalid_metadata_format invalid_metadata_schema metadata_must_be_sent_from_app metadata_too_large
        too_many_attachments attachment_payload_limit_exceeded block_mismatch markdown_text_conflict
    """,
    Result.CHANNEL_BAD: """
        channel_not_found not_in_channel is_archived is_inactive cannot_post restricted_action
        restricted_action_non_threadable_channel restricted_action_read_only_channel
        restricted_action_thread_locked restricted_action_thread_only_channel channel_type_not_supported
        duplicate_channel_not_found
    """,
    Result.AUTH_BAD: """
        invalid_auth not_authed account_inactive token_revoked token_expired missing_scope no_permission
        access_denied not_allowed_token_type org_login_required ekm_access_denied enterprise_is_restricted
        two_factor_setup_required team_access_not_granted accesslimited deprecated_endpoint method_deprecated
    """,
    Result.TARGET_GONE: """
        message_not_found thread_not_found cant_update_message edit_window_closed
    """,
}
_CLASS_OF = {name: result for result, names in ERRORS.items() for name in names.split()}


@dataclass(frozen=True)
class SlackSettings:
    """Where to post. The grace must be longer than any late acceptance.

    Give `channel` as an id (C…): by a name Slack takes messages, but does not look any up, so that an unknown outcome
    stays held.
    """

    token: str = field(repr=False)
    channel: str
    base_url: str = "https://slack.com/api/"
    timeout_seconds: int = 10
    grace_seconds: float = 20.0
    pace_seconds: float = 1.0


class Slack:
    """One channel of one workspace; a method is one HTTP call (paging apart), and never raises for what Slack does."""

    route = "slack"

    def __init__(self, settings: SlackSettings) -> None:
        self.target = settings.channel
        self.told = f"sent to Slack channel {settings.channel}"
        self.pace_seconds = settings.pace_seconds
        self.grace_seconds = settings.grace_seconds
        self.server_time = 0.0
        self._client = WebClient(
            token=settings.token,
            base_url=settings.base_url,
            timeout=settings.timeout_seconds,
            retry_handlers=[],  # the SDK's default posts again when a connection is cut: doubles
            logger=logging.Logger("chipledger.slack", logging.CRITICAL + 1),  # outcomes are reported, not logged
        )

    def probe(self) -> Outcome:
        """auth.test: also sets `server_time`, the clock by which graces and lookups are measured."""
        return self._call(self._client.auth_test)

    def post(
        self, envelope: Envelope, *, channel: str, thread_ts: str = "", loud: bool = False, plain: bool = False
    ) -> Outcome:
        """chat.postMessage, with the outbox id in the metadata."""
        body = envelope.body(without_layout=plain)
        reply: dict[str, Any] = {"thread_ts": thread_ts, "reply_broadcast": loud} if thread_ts else {}
        return self._call(
            lambda: self._client.chat_postMessage(
                channel=channel, **body, **reply, mrkdwn=False, parse="none", unfurl_links=False, unfurl_media=False
            )
        )

    def edit(self, envelope: Envelope, *, channel: str, ts: str, plain: bool = False) -> Outcome:
        """chat.update."""
        body = envelope.body(without_layout=plain)
        return self._call(lambda: self._client.chat_update(channel=channel, ts=ts, **body, parse="none"))

    def find(self, outbox_id: str, *, channel: str, thread_ts: str, since: float) -> Lookup:
        """Page through the channel (or the thread) for the message that carries `outbox_id` in its metadata."""
        cursor = ""
        for _ in range(HISTORY_PAGES):
            page, failure = self._page(channel, thread_ts, since, cursor)
            if page is None:
                return Lookup(possible=False, reason=failure)
            for message in page.get("messages") or []:
                if _carries(message, outbox_id):
                    return Lookup(possible=True, channel=channel, ts=str(message["ts"]))
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return Lookup(possible=True)
        return Lookup(possible=False, reason=f"not among the newest {HISTORY_PAGES * HISTORY_PAGE} messages")

    def _page(self, channel: str, thread_ts: str, since: float, cursor: str) -> tuple[Mapping[str, Any] | None, str]:
        answer: list[SlackResponse] = []
        window: dict[str, Any] = {
            "channel": channel,
            "limit": HISTORY_PAGE,
            "oldest": f"{max(0.0, since - LOOKBACK_SECONDS):.6f}",
            "include_all_metadata": True,
            "cursor": cursor or None,
        }

        def call() -> SlackResponse:
            if thread_ts:
                answer.append(self._client.conversations_replies(ts=thread_ts, **window))
            else:
                answer.append(self._client.conversations_history(**window))
            return answer[0]

        outcome = self._call(call)
        if outcome.result is not Result.OK:
            return None, outcome.reason
        data = answer[0].data
        return (data, "") if isinstance(data, dict) else (None, "an answer that is not JSON")

    def _call(self, call: Callable[[], SlackResponse]) -> Outcome:
        try:
            response = call()
        except SlackApiError as error:
            return self._refused(error)
        except (SlackClientError, OSError, http.client.HTTPException, ValueError) as error:
            return Outcome(_transport_failure(error), reason=_words(error))
        self._note_time(response)
        return Outcome(Result.OK, channel=str(response.get("channel") or ""), ts=str(response.get("ts") or ""))

    def _refused(self, error: SlackApiError) -> Outcome:
        response = error.response
        if not isinstance(response, SlackResponse):
            return Outcome(Result.UNKNOWN, reason=_words(error))
        self._note_time(response)
        name = str(response.data.get("error") or "") if isinstance(response.data, dict) else ""
        if response.status_code == TOO_MANY_REQUESTS:
            return Outcome(Result.NOT_SENT_RETRY, reason="rate limited", retry_after=_retry_after(response.headers))
        if response.status_code >= SERVER_ERROR:
            return Outcome(Result.UNKNOWN, reason=f"Slack answered {response.status_code}")
        result = _CLASS_OF.get(name, Result.UNKNOWN)
        wait = _retry_after(response.headers) if result is Result.NOT_SENT_RETRY else 0.0
        return Outcome(result, reason=name[:200] or f"Slack answered {response.status_code}", retry_after=wait)

    def _note_time(self, response: SlackResponse) -> None:
        date = _header(response.headers, "Date")
        if date:
            try:
                self.server_time = max(self.server_time, parsedate_to_datetime(date).timestamp())
            except ValueError:
                return


def _carries(message: Mapping[str, object], outbox_id: str) -> bool:
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return False
    return (metadata.get("event_payload") or {}).get("outbox_id") == outbox_id


def _transport_failure(error: Exception) -> Result:
    """Not sent if no connection came about; in every other case the request may have arrived."""
    reason = error.reason if isinstance(error, URLError) else error
    never_connected = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
    return Result.NOT_SENT_RETRY if isinstance(reason, never_connected) else Result.UNKNOWN


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _retry_after(headers: Mapping[str, object]) -> float:
    try:
        return max(0.0, float(_header(headers, "Retry-After")))
    except ValueError:
        return DEFAULT_RETRY_AFTER


def _header(headers: Mapping[str, object], name: str) -> str:
    value = next((value for key, value in headers.items() if key.lower() == name.lower()), "")
    return str(value[0] if isinstance(value, list) and value else value)
