"""The background process of `sandbox up`: the Kubernetes API, and the parent of Airflow's services.

It reads what to start from stdin, since other users could see the secrets in an argument, and
writes `state.json`. When that file is deleted, with its folder or alone, everything ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from pydantic import BaseModel, Field

from kedro_airflow_k8s.config.own_names import DATA_VOLUME
from kedro_airflow_k8s.sandbox.cluster import Existing, LocalCluster, PodImage
from kedro_airflow_k8s.sandbox.cluster.files import discard
from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState
from kedro_airflow_k8s.sandbox.processes import environment_of, kill_all

KUBERNETES = "kubernetes"

_CHECK_SECONDS = 0.2


class Startup(BaseModel, frozen=True):
    """What a supervisor starts.

    Attributes:
        project: The project's folder; the state of its sandbox is recorded, still without services.
        commands: What starts Airflow's services, by their names.
        environment: All their environment.
        own: Variables of single services, which win over these, by the names of the services.
        airflow_home: Their working folder.
        bin_folder: Where the pods find `kedro` and `python`.
    """

    project: Path
    commands: Mapping[str, Sequence[str]]
    environment: Mapping[str, str] = Field(repr=False)
    own: Mapping[str, Mapping[str, str]] = {}
    airflow_home: Path
    bin_folder: Path


def start_supervisor(folder: SandboxFolder, startup: Startup) -> subprocess.Popen[bytes]:
    """Start a supervisor in the background; it has not started the services on return."""
    with folder.new_log(KUBERNETES) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, **environment_of(folder.path)},
            cwd=folder.log(KUBERNETES).parent,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stdin = cast(IO[bytes], process.stdin)
    with contextlib.suppress(BrokenPipeError), stdin:  # It may have ended already.
        stdin.write(startup.model_dump_json().encode())
    return process


def main() -> None:
    """Run the services until the state file is deleted, or SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    startup = Startup.model_validate_json(sys.stdin.buffer.read())
    folder = SandboxFolder(startup.project)
    state = folder.read_state()
    if state is None:
        return  # The start was given up.
    try:
        services = {name: _start(folder, startup, name) for name in startup.commands}
        pids = {name: process.pid for name, process in services.items()}
        state = state.model_copy(update={"services": {**pids, KUBERNETES: os.getpid()}})
        folder.write_state(state)
        with _cluster(folder, state, startup) as cluster:
            cluster.write_kubeconfig(folder.kubeconfig)
            logging.getLogger(__name__).info("Kubernetes API at %s", cluster.url)
            _watch(folder, state, services)
    finally:
        kill_all(folder.path)
        # Nothing else knows of it when the sandbox's folder is deleted.
        discard(state.temporary)


def _start(folder: SandboxFolder, startup: Startup, name: str) -> subprocess.Popen[bytes]:
    with folder.new_log(name) as log:
        return subprocess.Popen(
            startup.commands[name],
            env={
                **startup.environment,
                **startup.own.get(name, {}),
                **environment_of(folder.path),
            },
            cwd=startup.airflow_home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _cluster(folder: SandboxFolder, state: SandboxState, startup: Startup) -> LocalCluster:
    image = PodImage(
        folder.images.current,
        state.spec.home,
        (startup.bin_folder,),
        renew=lambda: folder.images.renew(folder.project),
    )
    data = state.spec.pod_data()
    return LocalCluster(
        image,
        folder.cluster,
        data.secrets,
        existing=Existing(data.config_maps, folder.stand_ins, DATA_VOLUME),
        temporary=state.temporary,
        keep_volumes=folder.volumes if state.spec.keep else False,
    )


def _watch(
    folder: SandboxFolder, state: SandboxState, services: Mapping[str, subprocess.Popen[bytes]]
) -> None:
    """Record how services end, until the state file is deleted."""
    ended: dict[str, int] = {}
    while folder.state_file.exists():
        codes = {name: process.poll() for name, process in services.items()}
        now = {name: _as_shell(code) for name, code in codes.items() if code is not None}
        if now != ended:
            ended = now
            folder.write_state(state.model_copy(update={"ended": ended}))
        time.sleep(_CHECK_SECONDS)


def _as_shell(code: int) -> int:
    """Return an exit code as a shell reports it: 128 + n after signal n."""
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    main()
