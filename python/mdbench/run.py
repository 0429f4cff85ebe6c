"""Run one prepared folder to its end, segment by segment."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

from mdbench.diagnosis import explain
from mdbench.errors import RunError
from mdbench.lammps_input import STOP_FILE
from mdbench.programs import usable_cores
from mdbench.progress import Display, last_row
from mdbench.segments import Launch, SegmentFailed, keep_whole, newest_restart, run_segment

if TYPE_CHECKING:
    from mdbench.run_folder import RunFolder, State
    from mdbench.spec import Plan


class Control:
    """The wish to stop, from a signal: with a checkpoint, or at once."""

    def __init__(self) -> None:
        """Nobody wishes to stop yet."""
        self.stop = Event()
        self.kill = Event()

    def ask(self) -> None:
        """Stop with a checkpoint; asked again, at once."""
        if self.stop.is_set():
            self.kill.set()
        self.stop.set()


def _threads(manifest: dict[str, Any]) -> int:
    """Of a rank: as specified, or as prepared if there are so many cores here."""
    if wanted := manifest["spec"]["run"].get("threads"):
        return int(wanted)
    return min(int(manifest["threads"]), max(1, usable_cores() // int(manifest["ranks"])))


def run_to_end(folder: RunFolder, plan: Plan, display: Display, control: Control) -> State:
    """Run what is missing.

    Args:
        folder: A prepared run.
        plan: Lengths in steps.
        display: Where progress is shown.
        control: Ends the run when asked.

    Returns:
        The state: ``finished``, or ``stopped`` when asked to.

    Raises:
        RunError: when it failed; the state is kept and ``resume`` goes on from it.
    """
    name, manifest = folder.path.name, folder.manifest()
    with folder.lock() as lock:
        state = folder.state()
        for path in keep_whole(folder, state)[:1]:
            display.say(f"{name}: '{path}' is missing: going back to step {state.step}")
        for path in newest_restart(folder, state):
            back = folder.segment_file(state.segments[-1].first, "restart")
            display.say(f"{name}: '{path}' is damaged: going back to '{back}', step {state.step}")
        folder.discard_unfinished(state)
        state.status = "running"
        folder.save(state)
        display.add(name, plan.total, manifest["timestep_fs"])

        def report(first: int) -> None:
            row = last_row(folder.segment_file(first, "log"), manifest.get("units", "metal"))
            display.update(name, row)

        launch = Launch(
            folder, manifest["ranks"], _threads(manifest), lock, control.stop, control.kill, report
        )
        (folder.path / STOP_FILE).unlink(missing_ok=True)  # of the last time
        while state.step < plan.total and not control.stop.is_set():
            last = min(b for b in plan.boundaries() if b > state.step)
            try:
                run_segment(launch, state, last, manifest)
            except SegmentFailed as failure:
                if control.kill.is_set():
                    break
                state.status = "failed"
                folder.save(state)
                raise RunError(f"{name}: {explain(folder, failure, manifest)}") from None
            report(state.segments[-1].first)
            if (folder.path / STOP_FILE).exists():  # also where a segment had just come to its end
                break
        state.status = "finished" if state.step >= plan.total else "stopped"
        folder.save(state)
    return state
