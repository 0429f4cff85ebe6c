"""The one exception tree of the package."""


class MdbenchError(Exception):
    """A problem that the user can mend: one line that says what, where and what to do."""


class ModelError(MdbenchError):
    """A model file cannot be used."""


class EngineError(MdbenchError):
    """LAMMPS could not be started or did not finish."""


class StructureError(MdbenchError):
    """A structure cannot be evaluated."""


class SettingError(MdbenchError):
    """An argument has a value that it cannot have."""


class EvaluationError(MdbenchError):
    """A model failed on a structure, or gave no usable number."""


class SpecError(MdbenchError):
    """A specification is wrong; the text names file, line and field."""


class RunError(MdbenchError):
    """A run cannot start, stopped, or cannot go on."""


class OutputError(MdbenchError):
    """A log or trajectory cannot be read or does not hold what is asked of it."""


class AnalysisError(MdbenchError):
    """The data cannot support a quantity; the text is the reason."""


class Refused(Exception):  # noqa: N818 - a reason to hand back, not a failure of the worker
    """The worker cannot meet a request; the text is for the user."""
