"""A ModelStore over MLflow: a server, or an SQLite file beside a folder of artifacts."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

# Before the import, which reads some of them; the others are read at each request. What an operator has set stays.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from aiops.adapters.bundle_files import read_bundle
from aiops.errors import ConfigError, ModelError, UpstreamRejectedError, UpstreamUnavailableError
from aiops.forecasting.bundle import Bundle
from aiops.ports import KeptBundle, ModelVersion

ALIAS = "champion"
EXPERIMENT = "aiops-training"
DIGEST_TAG = "aiops.bundle_digest"
_ARTIFACT = "bundle"
_SQLITE = "sqlite:///"
_SQLITE_MAGIC = b"SQLite format 3\x00"
_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_TOO_MANY_REQUESTS = 429

Answer = TypeVar("Answer")


class MlflowModels:
    """Bundles as artifacts of MLflow runs, registered as versions; the alias ``champion`` names the one that serves.

    Args:
        uri: ``sqlite:///path/to/file.db`` (artifacts go to ``artifacts/`` beside it), or the URL of a server.

    Raises:
        ConfigError: If it is neither.
    """

    def __init__(self, uri: str) -> None:
        if not uri.startswith((_SQLITE, "http://", "https://")):
            raise ConfigError(f"--registry {uri}: give sqlite:///path/to/mlflow.db, or the URL of an MLflow server")
        self._uri = uri
        self._opened: MlflowClient | None = None

    async def champion(self, name: str) -> ModelVersion | None:
        """Return the version that serves now, as ``ModelStore`` says."""
        return await self._ask(lambda: self._champion(name))

    async def load(self, version: ModelVersion) -> Bundle:
        """Return the bundle of a version, as ``ModelStore`` says."""
        return await self._ask(lambda: self._load(version))

    async def register(
        self, name: str, bundle: KeptBundle, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> ModelVersion:
        """Store a bundle as a new version, as ``ModelStore`` says."""
        return await self._ask(lambda: self._register(name, bundle, tags, metrics))

    async def promote(self, version: ModelVersion) -> None:
        """Make a version the champion, as ``ModelStore`` says."""
        await self._ask(lambda: self._client().set_registered_model_alias(version.name, ALIAS, version.number))

    async def _ask(self, question: Callable[[], Answer]) -> Answer:
        def answered() -> Answer:
            with self._translated():
                return question()

        return await asyncio.to_thread(answered)

    def _client(self) -> MlflowClient:
        if self._opened is None:
            if self._uri.startswith(_SQLITE):
                self._require_sqlite(Path(self._uri.removeprefix(_SQLITE)))
            self._opened = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        return self._opened

    def _require_sqlite(self, path: Path) -> None:
        """MLflow would try for minutes to open what is no database, and its small edition opens none."""
        if importlib.util.find_spec("sqlalchemy") is None:
            raise ConfigError(
                f"--registry {self._uri}: a registry in a file needs the extra `train` (pip install 'aiops[train]'); "
                "with `serve` alone, give the URL of an MLflow server"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                start = file.read(len(_SQLITE_MAGIC))
            if start and start != _SQLITE_MAGIC:
                raise UpstreamRejectedError(f"{path} is no SQLite database: name another file with --registry")

    def _champion(self, name: str) -> ModelVersion | None:
        try:
            model = self._client().get_registered_model(name)
        except MlflowException as error:
            if error.error_code == _NOT_FOUND:
                return None
            raise
        number = model.aliases.get(ALIAS)
        if number is None:
            return None
        tags = self._client().get_model_version(name, str(number)).tags
        if DIGEST_TAG not in tags:
            raise ModelError(
                f"version {number} of {name} has the alias {ALIAS} and no tag {DIGEST_TAG}: it was not registered by "
                "aiops; move the alias, or choose another --name"
            )
        return ModelVersion(name=name, number=str(number), digest=tags[DIGEST_TAG])

    def _load(self, version: ModelVersion) -> Bundle:
        run_id = self._client().get_model_version(version.name, version.number).run_id or ""
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = self._client().download_artifacts(run_id, _ARTIFACT, folder)
            except (MlflowException, OSError) as error:
                if isinstance(error, MlflowException) and _status(error) >= 500:
                    raise
                raise ModelError(
                    f"the files of version {version.number} of {version.name} are gone: {error}"
                ) from error
            return read_bundle(Path(found), version.digest)

    def _register(
        self, name: str, bundle: KeptBundle, tags: Mapping[str, str], metrics: Mapping[str, float]
    ) -> ModelVersion:
        client = self._client()
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise
        for known in client.search_model_versions(f"name = '{name}'"):
            if known.tags.get(DIGEST_TAG) == bundle.digest:
                return ModelVersion(name=name, number=str(known.version), digest=bundle.digest)
        all_tags = {**tags, DIGEST_TAG: bundle.digest}
        run = client.create_run(self._experiment(), tags=all_tags, run_name=bundle.digest[:16])
        client.log_artifacts(run.info.run_id, str(bundle.path), _ARTIFACT)
        for metric, value in metrics.items():
            client.log_metric(run.info.run_id, metric, value)
        client.set_terminated(run.info.run_id)
        source = f"{run.info.artifact_uri}/{_ARTIFACT}"
        made = client.create_model_version(name, source, run.info.run_id, tags=all_tags)
        return ModelVersion(name=name, number=str(made.version), digest=bundle.digest)

    def _experiment(self) -> str:
        client = self._client()
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        beside = None
        if self._uri.startswith(_SQLITE):
            beside = (Path(self._uri.removeprefix(_SQLITE)).resolve().parent / "artifacts").as_uri()
        return str(client.create_experiment(EXPERIMENT, artifact_location=beside))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            status = _status(error)
            if status >= 500 or status == _TOO_MANY_REQUESTS:
                raise UpstreamUnavailableError(f"MLflow at {self._uri} did not answer: {error}") from error
            raise UpstreamRejectedError(f"MLflow at {self._uri} refused: {error}") from error
        except _database_errors() as error:
            raise UpstreamUnavailableError(f"MLflow's database {self._uri} cannot be used: {error}") from error
        except OSError as error:
            raise UpstreamUnavailableError(f"MLflow at {self._uri} cannot be used: {error}") from error


def _database_errors() -> tuple[type[Exception], ...]:
    """Return what a registry in a file raises: nothing where the library for one is missing."""
    if importlib.util.find_spec("sqlalchemy") is None:
        return ()
    from sqlalchemy.exc import SQLAlchemyError

    return (SQLAlchemyError,)


def _status(error: MlflowException) -> int:
    return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
