import datetime

from aiops.api.v1 import series_pb2 as _series_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ForecastRequest(_message.Message):
    __slots__ = ("query", "series", "step", "horizon", "window", "window_model", "levels", "now", "history")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    WINDOW_MODEL_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    query: str
    series: _series_pb2.SeriesKey
    step: _duration_pb2.Duration
    horizon: _duration_pb2.Duration
    window: _duration_pb2.Duration
    window_model: str
    levels: _containers.RepeatedScalarFieldContainer[float]
    now: _timestamp_pb2.Timestamp
    history: _duration_pb2.Duration
    def __init__(self, query: _Optional[str] = ..., series: _Optional[_Union[_series_pb2.SeriesKey, _Mapping]] = ..., step: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., horizon: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., window_model: _Optional[str] = ..., levels: _Optional[_Iterable[float]] = ..., now: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., history: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ForecastResponse(_message.Message):
    __slots__ = ("key", "cutoff", "data_age", "path", "no_path_reason", "window_maximum", "no_window_reason")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CUTOFF_FIELD_NUMBER: _ClassVar[int]
    DATA_AGE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    NO_PATH_REASON_FIELD_NUMBER: _ClassVar[int]
    WINDOW_MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    NO_WINDOW_REASON_FIELD_NUMBER: _ClassVar[int]
    key: _series_pb2.SeriesKey
    cutoff: _timestamp_pb2.Timestamp
    data_age: _duration_pb2.Duration
    path: Path
    no_path_reason: str
    window_maximum: WindowMaximum
    no_window_reason: str
    def __init__(self, key: _Optional[_Union[_series_pb2.SeriesKey, _Mapping]] = ..., cutoff: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., path: _Optional[_Union[Path, _Mapping]] = ..., no_path_reason: _Optional[str] = ..., window_maximum: _Optional[_Union[WindowMaximum, _Mapping]] = ..., no_window_reason: _Optional[str] = ...) -> None: ...

class ExhaustionRequest(_message.Message):
    __slots__ = ("query", "step", "history", "limit", "now")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    query: str
    step: _duration_pb2.Duration
    history: _duration_pb2.Duration
    limit: float
    now: _timestamp_pb2.Timestamp
    def __init__(self, query: _Optional[str] = ..., step: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., history: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., limit: _Optional[float] = ..., now: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExhaustionResponse(_message.Message):
    __slots__ = ("key", "within", "reached")
    KEY_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    key: _series_pb2.SeriesKey
    within: _containers.RepeatedCompositeFieldContainer[ChanceWithin]
    reached: _containers.RepeatedCompositeFieldContainer[ReachedBy]
    def __init__(self, key: _Optional[_Union[_series_pb2.SeriesKey, _Mapping]] = ..., within: _Optional[_Iterable[_Union[ChanceWithin, _Mapping]]] = ..., reached: _Optional[_Iterable[_Union[ReachedBy, _Mapping]]] = ...) -> None: ...

class ChanceWithin(_message.Message):
    __slots__ = ("window", "chance")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CHANCE_FIELD_NUMBER: _ClassVar[int]
    window: _duration_pb2.Duration
    chance: float
    def __init__(self, window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., chance: _Optional[float] = ...) -> None: ...

class ReachedBy(_message.Message):
    __slots__ = ("chance", "at")
    CHANCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    chance: float
    at: _timestamp_pb2.Timestamp
    def __init__(self, chance: _Optional[float] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Path(_message.Message):
    __slots__ = ("start", "step", "mean", "levels", "values", "model", "cutoff")
    START_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CUTOFF_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    step: _duration_pb2.Duration
    mean: _containers.RepeatedScalarFieldContainer[float]
    levels: _containers.RepeatedScalarFieldContainer[float]
    values: _containers.RepeatedScalarFieldContainer[float]
    model: _series_pb2.Model
    cutoff: _timestamp_pb2.Timestamp
    def __init__(self, start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., step: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., mean: _Optional[_Iterable[float]] = ..., levels: _Optional[_Iterable[float]] = ..., values: _Optional[_Iterable[float]] = ..., model: _Optional[_Union[_series_pb2.Model, _Mapping]] = ..., cutoff: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WindowMaximum(_message.Message):
    __slots__ = ("levels", "values", "model")
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    levels: _containers.RepeatedScalarFieldContainer[float]
    values: _containers.RepeatedScalarFieldContainer[float]
    model: _series_pb2.Model
    def __init__(self, levels: _Optional[_Iterable[float]] = ..., values: _Optional[_Iterable[float]] = ..., model: _Optional[_Union[_series_pb2.Model, _Mapping]] = ...) -> None: ...
