"""A Spark cluster on this machine whose executors are processes of their own."""

from __future__ import annotations

import os
import pathlib
import sys
import warnings
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    scratch = tmp_path_factory.mktemp("spark")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master("local-cluster[2,1,900]")
        .appName("consentfilter-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.local.dir", str(scratch / "local"))
        .config("spark.executorEnv.PYTHONPATH", str(ROOT))
        .config("spark.executorEnv.SPARK_WORKER_DIR", str(scratch))
        .config("spark.executor.memory", "600m")
        .config("spark.executorEnv.POLARS_MAX_THREADS", "1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.log.level", "ERROR")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = builder.getOrCreate()
        yield session
        session.stop()
