"""A command in the background, which outlives the one that started it and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.processes import ProcessId, kill_session

_INIT = Path(__file__).parent / "cluster/container_init.py"
_BEGIN_SECONDS = 10.0
_KILL_SECONDS = 10.0
_CHECK_SECONDS = 0.005


@dataclass(frozen=True)
class BackgroundProcess:
    """A command that was started in the background.

    Attributes:
        main: Its first process, the first of a session.
        keeper: The parent of that, which takes in all that it starts, and kills it at the end.
        folder: Its working folder, and that of all it starts.
    """

    main: ProcessId
    keeper: ProcessId
    folder: Path

    @classmethod
    def from_json(cls, data: Mapping[str, str | int]) -> BackgroundProcess:
        """Read what `to_json` has made.

        Raises:
            KeyError, ValueError: It has not.
        """
        return cls(
            ProcessId(int(data["pid"]), str(data["started"])),
            ProcessId(int(data["keeper"]), str(data["keeper_started"])),
            Path(str(data["folder"])),
        )

    def to_json(self) -> dict[str, str | int]:
        """All there is to know, for a file."""
        return {
            "pid": self.main.pid,
            "started": self.main.started,
            "keeper": self.keeper.pid,
            "keeper_started": self.keeper.started,
            "folder": str(self.folder),
        }

    @property
    def running(self) -> bool:
        """Whether the command itself still runs."""
        return self.main.is_alive()

    def ask_to_end(self) -> None:
        """Begin what `kill` waits for."""
        self.keeper.send(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and all it has started; it is gone on return. Harmless when it is gone already.

        Raises:
            SandboxError: Something of it does not end.
        """
        self.ask_to_end()
        ended = self.keeper.ends_within(_KILL_SECONDS)
        # Only where somebody has killed the keeper is there anything left.
        if not ended or not kill_session(self.main, self.folder, _KILL_SECONDS):
            raise SandboxError(
                f"Process {self.main.pid} of the sandbox, or one it has started, does not end. It"
                " may wait for a disk: try again later."
            )


def start_in_background(
    command: Sequence[str | Path], environment: Mapping[str, str], folder: Path, files: Path
) -> BackgroundProcess:
    """Start a command.

    Args:
        command: The program and its arguments.
        environment: All its environment.
        folder: Its working folder.
        files: `<files>.log` gets its output, that of the last time becomes `<files>.log.1`;
            `<files>.status` says how it ends; the command is killed when that file is deleted.

    Raises:
        SandboxError: There is no such program.
    """
    log, status_file = _log(files), _status(files)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    status_file.unlink(missing_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    status = os.open(status_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", _INIT, "0", str(status), *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(status,),
            start_new_session=True,
            check=True,
        )
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise SandboxError(f"{command[0]} cannot be started: {error}") from None
    except KeyboardInterrupt:
        with contextlib.suppress(SandboxError):
            _begun(status_file, folder).kill()  # Nobody else would know of it.
        raise
    finally:
        os.close(output)
        os.close(status)
    return _begun(status_file, folder)


def exit_code(files: Path) -> int | None:
    """How a command ended, 128 + n after signal n; None if it runs, or nobody was there to see."""
    try:
        return int(_lines(_status(files))["exit"])
    except (OSError, KeyError):
        return None


def _begun(status_file: Path, folder: Path) -> BackgroundProcess:
    deadline = time.monotonic() + _BEGIN_SECONDS
    while not {"started", "failed"} & (lines := _lines(status_file)).keys():
        if time.monotonic() > deadline:
            raise SandboxError(f"Nothing is written to {status_file}: the process died at once.")
        time.sleep(_CHECK_SECONDS)
    if "failed" in lines:
        raise SandboxError(f"A process of the sandbox cannot be started: {lines['failed']}")
    main, keeper = map(int, lines["started"].split())
    # One that has ended already has no start time any more, and none that could be mixed up.
    gone = ProcessId(0, "")
    return BackgroundProcess(
        ProcessId.of(main) or ProcessId(main, gone.started),
        ProcessId.of(keeper) or ProcessId(keeper, gone.started),
        folder,
    )


def _lines(status_file: Path) -> dict[str, str]:
    whole = status_file.read_text().rpartition("\n")[0]
    return dict(line.partition(" ")[::2] for line in whole.splitlines())


def _log(files: Path) -> Path:
    return files.with_name(f"{files.name}.log")


def _status(files: Path) -> Path:
    return files.with_name(f"{files.name}.status")
