"""The project of the other tests with engines in its image, and pipelines that use them."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.project import ClusterProject, make_cluster_project

REQUIREMENTS = "pyspark[connect]\njdk4py\npyarrow\nray[default]\ndistributed\nbokeh\n"
FILES, ROWS = 20, 12_500_000
"""2 GB of numbers, of 8 bytes each."""
_SPARK = f"""
from pathlib import Path

import numpy as np
import pandas as pd
from kedro.pipeline import Pipeline, node


def make(factor):
    folder = Path("data/02_intermediate/numbers").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    whole = 0
    for number in range({FILES}):
        values = np.random.default_rng(number).integers(0, 2**34, {ROWS})
        numbers = pd.DataFrame({{"value": values}})
        # Neither of them makes random numbers smaller.
        as_they_are = {{"compression": None, "use_dictionary": False}}
        numbers.to_parquet(folder / f"{{number:03d}}.parquet", **as_they_are)
        whole += int(values.sum())
    size = sum(file.stat().st_size for file in folder.iterdir())
    print("WRITTEN", size, flush=True)
    return {{"folder": str(folder), "sum": whole}}


def add_up(made):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    numbers = spark.read.parquet(made["folder"])
    parts = numbers.mapInPandas(add_part, "host string, part long").collect()
    found = numbers.agg({{"value": "sum"}}).collect()[0][0]
    print("SUM", found == made["sum"] == sum(each.part for each in parts), flush=True)
    print("HOSTS", len({{each.host for each in parts}}), flush=True)
    return found


def add_part(frames):
    import socket

    part = sum(int(frame["value"].sum()) for frame in frames)
    yield pd.DataFrame({{"host": [socket.gethostname()], "part": [part]}})


def forever(frames):
    import time

    time.sleep(3600)
    yield from frames


def lose(made):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    mark = Path("data/02_intermediate/tried")
    if not mark.exists():
        mark.touch()
        print("AT WORK", flush=True)
        print("WAITING", flush=True)
        spark.range(1).mapInPandas(forever, "id long").collect()
    print("COUNTED", spark.range(7).count(), flush=True)
    return 7


def fail(made):
    from pyspark.sql import SparkSession

    SparkSession.builder.getOrCreate().sql("SELECT nothing FROM nowhere").collect()


def create_pipeline():
    first = node(make, "params:factor", "made", name="make")
    return Pipeline([first, node(LAST, "made", "found", name="last", tags="cluster.spark")])
"""
_LAST = {"spark_well": "add_up", "spark_badly": "fail", "spark_lost": "lose"}
"""The function of the node that uses Spark, by pipeline."""
_RAY_AND_DASK = """
from kedro.pipeline import Pipeline, node


def square(number):
    import socket
    import time

    # The other worker gets some of the work, too.
    time.sleep(0.02)
    return number * number, socket.gethostname()


def show(engine, found):
    total = sum(number * number for number in range(200))
    print(engine, sum(each for each, _ in found) == total, flush=True)
    print(engine, "HOSTS", len({host for _, host in found}), flush=True)
    return len(found)


def with_ray(factor):
    import ray

    ray.init()
    task = ray.remote(square)
    return show("RAY", ray.get([task.remote(number) for number in range(200)]))


def with_dask(count):
    from distributed import Client

    with Client() as client:
        client.wait_for_workers(2)
        return show("DASK", client.gather(client.map(square, range(count))))


def create_pipeline():
    return Pipeline([
        node(with_ray, "params:factor", "count", name="with_ray", tags="cluster.ray"),
        node(with_dask, "count", "found", name="with_dask", tags="cluster.dask"),
    ])
"""
_RAY_ALONE = (
    _RAY_AND_DASK.partition("def create_pipeline")[0]
    + """
def create_pipeline():
    return Pipeline([node(with_ray, "params:factor", "count", name="with_ray", tags="cluster.ray")])
"""
)
_HELD = """
from kedro.pipeline import Pipeline, node
from spaceflights.gate import hold


def ask(factor):
    from distributed import Client

    with Client() as client:
        return client.submit(sum, [1, 2, factor]).result()


def ask_again(factor):
    hold(factor)
    print("AGAIN", ask(factor), flush=True)
    return factor


def create_pipeline():
    return Pipeline([node(ask_again, "params:factor", "found", name="hold", tags="cluster.dask")])
"""


def engines_project(path: Path) -> ClusterProject:
    """The project of the other tests, with Spark, Ray and Dask in its image."""
    project = make_cluster_project(path)
    requirements = project.path / "requirements.txt"
    text = requirements.read_text(encoding="utf-8")
    requirements.write_text(text + REQUIREMENTS, encoding="utf-8")
    pipelines = {name: _SPARK.replace("LAST", last) for name, last in _LAST.items()}
    pipelines |= {"ray_and_dask": _RAY_AND_DASK, "ray_alone": _RAY_ALONE, "dask_held": _HELD}
    for name, code in pipelines.items():
        project.write(f"src/spaceflights/pipelines/try_{name}/__init__.py", code)
    return project
