"""Hides secrets in texts."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

from kedro_airflow_k8s.pod.redaction import HIDDEN, without_credentials

_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic|token)(\s+|=|: ?)[\w.~+/=-]{8,}")


class Secrets:
    """The secrets in use, which are hidden in texts."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Hide these from now on, in all encodings in which a server may repeat them."""
        for secret in filter(None, secrets):
            encoded = base64.b64encode(secret.encode()).decode()
            self._texts |= {
                secret,
                # Texts of servers are shown in one line, without spaces at their ends.
                " ".join(secret.split()) or secret,
                encoded,
                quote(secret),
                quote(secret, safe=""),
                quote_plus(secret),
                json.dumps(secret)[1:-1],
                html.escape(secret),
            }

    def hide(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in sorted(self._texts, key=len, reverse=True):
            # A secret of one or two letters must not turn every word into stars.
            pattern = re.escape(secret)
            text = re.sub(pattern if len(secret) > 3 else rf"(?<!\w){pattern}(?!\w)", HIDDEN, text)
        return _CREDENTIALS.sub(rf"\1\2{HIDDEN}", without_credentials(text))
