"""Times Airflow's parsing of DAG files, as its dag-processor does it; started by `dags.py`.

The parent imports every `airflow` module that a file imports at its top, and each parse is a fork
of it (airflow: `dag_processing/processor.py`). What is timed is what is left to do in the fork.

Usage: python -m benchmarks.parse_dags ANSWER ROUNDS FILE...
Writes JSON to ANSWER: by file, its tasks, edges and documentation, and {import, serialize} of each
round in CPU seconds.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.file import iter_airflow_imports


def parse(file: Path, describe: bool) -> dict[str, Any]:
    """Import and serialise one file, in this process."""
    start = time.process_time()
    bag = BundleDagBag(
        dag_folder=str(file), bundle_path=file.parent, bundle_name="benchmarks", load_op_links=False
    )
    imported = time.process_time()
    if bag.import_errors:
        raise RuntimeError("\n".join(bag.import_errors.values()))
    (dag,) = bag.dags.values()
    DagSerialization.to_dict(dag)
    serialized = time.process_time()
    if not describe:
        return {"import": imported - start, "serialize": serialized - imported}
    return {
        "tasks": sorted(dag.task_ids),
        "edges": sorted(
            [task.task_id, below] for task in dag.tasks for below in task.downstream_task_ids
        ),
        "docs": {task.task_id: task.doc_md for task in dag.tasks},
    }


def parse_in_fork(file: Path, describe: bool = False) -> dict[str, Any]:
    """What `parse` gives, from a fork of this process and without byte code of the file."""
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as pipe:
                json.dump(parse(file, describe), pipe)
            code = 0
        finally:
            # Whatever happened was printed or sent; the parent's clean-up is not ours to run.
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"{file.name} cannot be parsed.")
    answer: dict[str, Any] = json.loads(text)
    return answer


def main() -> None:
    answer, rounds, *names = sys.argv[1:]
    files = [Path(name) for name in names]
    for file in files:
        for module in iter_airflow_imports(str(file)):
            importlib.import_module(module)
    # A search through all that was imported takes as long as a parse, and falls into the import of
    # one file and the serialising of another: leave it to what the parse itself makes.
    gc.collect()
    gc.freeze()
    results: dict[str, Any] = {
        file.name: {**parse_in_fork(file, describe=True), "rounds": []} for file in files
    }
    for number in range(int(rounds)):
        shift = number % len(files)
        for file in (*files[shift:], *files[:shift]):
            results[file.name]["rounds"].append(parse_in_fork(file))
    # Airflow logs to the standard output.
    Path(answer).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
