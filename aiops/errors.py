"""Everything that can go wrong, as one tree.

AiopsError
├─ ConfigError                  a setting or policy is wrong
├─ DataError                    telemetry cannot be used
│  ├─ NoSeriesError             there is none of it
│  └─ LimitError                more of it than we take
├─ ModelError
│  ├─ ModelNotFoundError        nothing registered under this key and alias
│  └─ FitFailedError            no candidate could be fitted
└─ UpstreamError                Prometheus, Alertmanager, MLflow, Kubernetes
   ├─ UpstreamUnavailableError  no answer: retry
   └─ UpstreamRejectedError     a clear refusal: do not retry
      ├─ UpstreamConflictError  somebody else wrote first, or owns it: look again
      └─ ContentRejectedError   what we sent is refused, not us

An expected "no" (held, rate limited, no forecast) is a value and not an error. A message says what is wrong, which
key, file or line it is about, and what to do. Entry points map classes to exit codes and statuses; nothing here does.
"""


class AiopsError(Exception):
    """Root of every error that we raise on purpose."""


class ConfigError(AiopsError):
    """A setting, an option or a policy is wrong; trying again changes nothing."""


class DataError(AiopsError):
    """Telemetry cannot be used: too short, stale, not regular, not a number."""


class NoSeriesError(DataError):
    """The source answered, and what was asked for is not there."""


class LimitError(DataError):
    """More series or queries than we take: send fewer, or raise the limit that the message names."""


class ModelError(AiopsError):
    """A model is missing or cannot be made."""


class ModelNotFoundError(ModelError):
    """Nothing is registered under this key and alias."""


class FitFailedError(ModelError):
    """No candidate could be fitted to this series."""


class UpstreamError(AiopsError):
    """A system that we talk to did not do what we asked."""


class UpstreamUnavailableError(UpstreamError):
    """No answer, or an answer that says "later": worth trying again."""


class UpstreamRejectedError(UpstreamError):
    """A clear refusal: the same request will be refused again."""


class UpstreamConflictError(UpstreamRejectedError):
    """Somebody else changed what we were to change, or owns it: look at it again before anything is sent."""


class ContentRejectedError(UpstreamRejectedError):
    """What we sent is refused, and other content would not be: leave it out and go on."""
