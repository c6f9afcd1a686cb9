"""What a night of a fleet costs: `aiops forecast` on a folder, one process, two, and Ray beside each other.

python -m benchmarks.forecasting.night --sizes 1000,3000,10000
python -m benchmarks.forecasting.night --one-csv 1000

Series are real ones, each with a scale, an offset and a phase of its own. All processes of a run are watched from
outside: their memory (a page that several share is counted once) and the time that they computed. The time on the wall
means something on a machine at rest only; what a run would take on two free cores is worked out beside it from the
time computed: half of all of it, or that of the busiest process if it is more. Start-up, the same run on a handful of
series, is taken off both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from aiops.adapters.folder import FolderSource
from aiops.series import FloatArray
from benchmarks.forecasting.cost import fleet
from benchmarks.forecasting.windows import day_ahead

RESULTS = Path(__file__).with_name("night.json")
BEGIN, STEP = 1_767_225_600, 300
CORES = 2
HANDFUL = 130
"""Series of the run that shows what start-up costs: enough for every worker to get some."""
ENGINES = {
    "one process": ["--workers", "1"],
    "two processes": ["--workers", "2"],
    "Ray, two workers": ["--workers", "2", "--engine", "ray"],
}
SAMPLED_SECONDS = 0.5
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the command.

    Attributes:
        series: Series that got a forecast.
        seconds: On the wall.
        core_seconds: Computed by all processes together.
        busiest_seconds: Computed by the busiest of them.
        peak_gb: Highest memory of all of them together; shared pages once.
    """

    series: int
    seconds: float
    core_seconds: float
    busiest_seconds: float
    peak_gb: float

    def free_seconds(self, startup: Run) -> float:
        """Return what it would take on free cores, start-up apart."""
        computed = self.core_seconds - startup.core_seconds
        return max(computed / CORES, self.busiest_seconds - startup.busiest_seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasting.night", description=__doc__)
    parser.add_argument("--sizes", default="1000,3000,10000", help="series of the fleets")
    parser.add_argument("--one-csv", type=int, help="only: the memory that so many series in one CSV file take")
    parser.add_argument("--output", type=Path, default=RESULTS, help="result file")
    options = parser.parse_args()
    data = os.environ.get("AIOPS_DATA_DIR")
    if not data:
        print("AIOPS_DATA_DIR is not set: nothing was measured", file=sys.stderr)
        return 0
    histories = [window.history.values for window in day_ahead(FolderSource(Path(data) / "forecast"))]
    longest = max(len(each) for each in histories)
    seeds = np.array([each for each in histories if len(each) == longest])
    if options.one_csv:
        print(one_csv(seeds, options.one_csv))
        return 0
    sizes = [int(size) for size in options.sizes.split(",")]
    found: dict[str, Any] = {"schema": 1, "points": longest, "load_before": os.getloadavg()[0], "engines": {}}
    with tempfile.TemporaryDirectory(prefix="aiops-night-") as name:
        folder = Path(name)
        write(folder / "handful", seeds, HANDFUL)
        measured(folder / "handful", ["--workers", "1"])  # compiles
        startups = {engine: measured(folder / "handful", how) for engine, how in ENGINES.items()}
        runs: dict[str, list[Run]] = {engine: [] for engine in ENGINES}
        for size in sizes:
            write(folder / "fleet", seeds, size)
            for engine, how in ENGINES.items():
                if size == max(sizes) or engine == "two processes":
                    runs[engine].append(measured(folder / "fleet", how))
                    print(line(engine, runs[engine][-1], startups[engine]), flush=True)
            shutil.rmtree(folder / "fleet")
    for engine, made in runs.items():
        started = startups[engine]
        found["engines"][engine] = {
            "startup": asdict(started),
            "runs": [asdict(run) | {"free_seconds": run.free_seconds(started)} for run in made],
        }
    largest = {engine: made[-1] for engine, made in runs.items()}
    one = largest["one process"]
    for engine in list(ENGINES)[1:]:
        run, started, alone = largest[engine], startups[engine], startups["one process"]
        computed = (one.core_seconds - alone.core_seconds) / run.free_seconds(started)
        wall = (one.seconds - alone.seconds) / (run.seconds - started.seconds)
        found["engines"][engine] |= {"speedup_computed": computed, "speedup_wall": wall}
        print(f"{engine}: {computed:.2f} times one process by time computed, {wall:.2f} by the wall (load: see file)")
    run = largest["two processes"]
    hours = run.free_seconds(startups["two processes"]) / run.series * 100_000 / 3600
    found["hours_of_100k_on_two_cores"] = hours
    found["load_after"] = os.getloadavg()[0]
    print(f"100,000 series on two free cores: {60 * hours:.1f} minutes")
    options.output.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def line(engine: str, run: Run, startup: Run) -> str:
    return (
        f"{engine:<18}{run.series:>7} series{run.core_seconds:>9.1f} s computed{run.free_seconds(startup):>9.1f} s on "
        f"{CORES} free cores{run.seconds:>9.1f} s on the wall{run.peak_gb:>7.2f} GB"
    )


def write(folder: Path, seeds: FloatArray, size: int) -> None:
    """Write a fleet as Parquet files of 100 series."""
    folder.mkdir()
    stamps = BEGIN + STEP * np.arange(seeds.shape[1])
    for number, part in enumerate(fleet(seeds, size)):
        names = [f"s{number}_{row}" for row in range(len(part))]
        ids = pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(part), dtype=np.int32), len(stamps)), names)
        columns = {"series_id": ids, "timestamp": np.tile(stamps, len(part)), "value": part.ravel()}
        pa.parquet.write_table(pa.table(columns), folder / f"part{number:04}.parquet")


def one_csv(seeds: FloatArray, size: int) -> str:
    """Return what a fleet in one CSV file takes, which is read whole."""
    with tempfile.TemporaryDirectory(prefix="aiops-night-") as name:
        folder = Path(name)
        write(folder / "parts", seeds, size)
        (folder / "fleet").mkdir()
        with (folder / "fleet" / "fleet.csv").open("wb") as file:
            for number, path in enumerate(sorted((folder / "parts").iterdir())):
                options = pyarrow.csv.WriteOptions(include_header=number == 0)
                pyarrow.csv.write_csv(pa.parquet.read_table(path), file, options)
        run = measured(folder / "fleet", ["--workers", "1"])
        written = (folder / "fleet" / "fleet.csv").stat().st_size / 1e9
    return f"{run.series} series in one CSV file of {written:.2f} GB, one process: {run.peak_gb:.2f} GB"


def measured(folder: Path, how: list[str]) -> Run:
    """Run the command, and watch it and all that it starts.

    Raises:
        RuntimeError: If it fails.
    """
    output = folder.with_name("forecasts.csv")
    command = [sys.executable, "-m", "aiops", "forecast", "--source", str(folder), "--output", str(output), *how]
    began = time.perf_counter()
    computed: dict[int, float] = {}
    peak = 0
    own = {name: value for name, value in os.environ.items() if not name.startswith("AIOPS_")}
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stderr=said, text=True, env=own) as process:
        while process.poll() is None:
            tree = family(process.pid)
            computed |= {pid: seconds for pid in tree if (seconds := cpu_seconds(pid)) is not None}
            peak = max(peak, sum(map(proportional_bytes, tree)))
            time.sleep(SAMPLED_SECONDS)
        seconds = time.perf_counter() - began
        said.seek(0)
        text = said.read()
    if process.returncode not in (0, 5):
        raise RuntimeError(f"{command} failed:\n{text}")
    return Run(
        series=int(text.split(" forecasts in ")[0].split()[-1]),
        seconds=seconds,
        core_seconds=sum(computed.values()),
        busiest_seconds=max(computed.values()),
        peak_gb=peak / 1e9,
    )


def family(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(parent, []).append(int(path.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS


def proportional_bytes(pid: int) -> int:
    """Return the memory of a process; of a page that several map, its share."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(row.split()[1]) * 1024 for row in rollup.splitlines() if row.startswith("Pss:")), 0)


if __name__ == "__main__":
    sys.exit(main())
