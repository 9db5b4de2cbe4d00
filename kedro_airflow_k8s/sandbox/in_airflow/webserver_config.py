"""Settings of the web server of Airflow 2.11: the password is in the file that Airflow 3 reads.

Airflow would compute a slow hash for each request with basic authentication.
See https://airflow.apache.org/docs/apache-airflow-providers-fab/1.5.4/auth-manager/webserver-authentication.html
"""

import hmac
import json
import os
from pathlib import Path
from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import (
    FabAirflowSecurityManagerOverride,
)

WTF_CSRF_ENABLED = True
WTF_CSRF_TIME_LIMIT = None

_PASSWORDS = json.loads(
    Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]).read_text()
)


class SandboxSecurityManager(FabAirflowSecurityManagerOverride):  # type: ignore[misc]
    """Airflow's own, with the passwords of the sandbox."""

    def auth_user_db(self, username: str | None, password: str) -> Any:
        """Return the user if the password is right."""
        known = _PASSWORDS.get(username, "")
        if not known or not hmac.compare_digest(known.encode(), password.encode()):
            return None
        self._rotate_session_id()
        return self.find_user(username=username)


SECURITY_MANAGER_CLASS = SandboxSecurityManager
