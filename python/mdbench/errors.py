"""The one exception tree of the package."""


class MdbenchError(Exception):
    """A problem that the user can mend: one line that says what, where and what to do."""


class ModelError(MdbenchError):
    """A model file cannot be used."""


class EngineError(MdbenchError):
    """LAMMPS could not be started or did not finish."""


class Refused(Exception):  # noqa: N818 - a reason to hand back, not a failure of the worker
    """The worker cannot meet a request; the text is for the user."""
