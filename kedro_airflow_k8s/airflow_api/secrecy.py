"""What is secret never leaves in a text."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic|token)(\s+|=|: ?)[\w.~+/=-]{8,}")
_JSON_WEB_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]*\.?[\w-]*")
_USER_INFORMATION = re.compile(r"(?<=://)[^/\s@]+@")
HIDDEN = "***"


class Secrets:
    """The secrets in use, so that a text which repeats one can be cleaned of it."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Hide these from now on, in every form in which a server may repeat them."""
        for secret in filter(None, secrets):
            encoded = base64.b64encode(secret.encode()).decode()
            self._texts |= {
                secret,
                # Texts of servers are shown in one line, without blanks at their ends.
                " ".join(secret.split()) or secret,
                encoded,
                quote(secret),
                quote(secret, safe=""),
                quote_plus(secret),
                json.dumps(secret)[1:-1],
                html.escape(secret),
            }

    def hide(self, text: str) -> str:
        """The text without anything secret."""
        for secret in sorted(self._texts, key=len, reverse=True):
            # A secret of a letter or two must not turn every word into stars.
            pattern = re.escape(secret)
            text = re.sub(pattern if len(secret) > 3 else rf"(?<!\w){pattern}(?!\w)", HIDDEN, text)
        text = _USER_INFORMATION.sub(f"{HIDDEN}@", text)
        text = _JSON_WEB_TOKEN.sub(HIDDEN, text)
        return _CREDENTIALS.sub(rf"\1\2{HIDDEN}", text)
