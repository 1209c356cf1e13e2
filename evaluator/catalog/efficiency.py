"""The efficiency family of the catalog: times, sizes, memory; its parameters and columns.

Standard library only; read through ``evaluator.catalog``.
"""

from __future__ import annotations

from evaluator.catalog.types import Column, Direction, Metric, Parameter, Protocol

#: Potentials that every worker has, by their names on the command line. The driver of a worker
#: sees no file of the host, so that a task can name no others.
SHIPPED_POTENTIALS = (
    "chgnet:0.3.0",
    "chgnet:0.2.0",
    "chgnet:r2scan",
    "ase:lj",
    "ase:emt",
    "ase:tersoff-si",
    "dummy:zero",
)

_MEAN = "geometric mean over the structures"

EFFICIENCY_METRICS: tuple[Metric, ...] = (
    Metric(
        key="call_time_median",
        label="Latency, small cell",
        unit="ms",
        direction=Direction.LOWER,
        description="Median time of one force call at the task's small size; " + _MEAN + ".",
    ),
    Metric(
        key="atom_time_median",
        label="Time per atom",
        unit="µs/atom",
        direction=Direction.LOWER,
        description="Median time of one force call over the number of atoms, at the task's large "
        "size; " + _MEAN + ". A structure that did not run at that size is charged.",
        digits=2,
    ),
    Metric(
        key="throughput_max",
        label="Throughput",
        unit="atom-steps/s",
        direction=Direction.HIGHER,
        description="Atoms times force calls in a second, one structure in each call, at the size "
        "where it is highest; " + _MEAN + ".",
        digits=0,
    ),
    Metric(
        key="largest_system_size",
        label="Largest size",
        unit="atoms",
        direction=Direction.HIGHER,
        description="Atoms of the largest structure that ran within the task's memory and time; "
        + _MEAN
        + ".",
        digits=0,
    ),
    Metric(
        key="batched_structure_throughput_max",
        label="Batched structures",
        unit="structures/s",
        direction=Direction.HIGHER,
        description="Structures in a second when many are asked in one call; "
        + _MEAN
        + ". Another "
        "mode than the throughput of single structures: not to be compared with it.",
        digits=1,
    ),
    Metric(
        key="batched_throughput_max",
        label="Batched throughput",
        unit="atom-steps/s",
        direction=Direction.HIGHER,
        description="Atoms times structures in a second when many are asked in one call; "
        + _MEAN
        + ". Another mode than the throughput of single structures.",
        digits=0,
    ),
    Metric(
        key="reference_time_ratio",
        label="Time / reference",
        unit="",
        direction=Direction.LOWER,
        description="Time of a call over that of the task's reference potential, both timed in "
        "short blocks that alternate, on the same structures; " + _MEAN + ".",
    ),
    Metric(
        key="scaling_exponent",
        label="Scaling exponent",
        unit="",
        direction=Direction.LOWER,
        description="Exponent of the power law of time against atoms, from 512 on where three "
        "sizes are that large, else over all; mean over the structures. One is linear; below it, "
        "large cells use the device better.",
        digits=2,
    ),
    Metric(
        key="memory_peak",
        label="Peak memory",
        unit="MiB",
        direction=Direction.LOWER,
        description="Peak memory of the calculator at the task's large size (of the device, on a "
        "GPU; of the process, on a processor); " + _MEAN + ".",
        digits=0,
    ),
)

_COUNTS: tuple[Parameter, ...] = (
    Parameter(
        name="n_processes",
        kind=int,
        default=3,
        minimum=1,
        maximum=20,
        help="Fresh calculator processes, one after the other; each times everything anew.",
    ),
    Parameter(
        name="n_calls",
        kind=int,
        default=100,
        minimum=3,
        maximum=10000,
        help="Timed calls of a size in a process, unless time_per_size_s ends them before.",
    ),
    Parameter(
        name="min_calls",
        kind=int,
        default=20,
        minimum=3,
        maximum=1000,
        help="Timed calls that are made however long they take.",
    ),
    Parameter(
        name="time_per_size_s",
        kind=float,
        default=5.0,
        minimum=0.01,
        maximum=3600.0,
        unit="s",
        help="After this time no more calls are made than min_calls.",
    ),
    Parameter(
        name="n_warmup",
        kind=int,
        default=10,
        minimum=1,
        maximum=1000,
        help="Calls before the timed ones, for each size anew; then on until the medians of three "
        "successive blocks of three calls agree within 2 %, or warmup_limit_s is over.",
    ),
    Parameter(
        name="warmup_limit_s",
        kind=float,
        default=30.0,
        minimum=0.01,
        maximum=3600.0,
        unit="s",
        help="No call is added to a warm-up that has taken so long, be they few or unsettled.",
    ),
)

_SIZES: tuple[Parameter, ...] = (
    Parameter(
        name="small_n_atoms",
        kind=int,
        default=64,
        minimum=1,
        maximum=1000,
        help="The size whose latency is judged, and at which the reference potential is timed.",
    ),
    Parameter(
        name="large_n_atoms",
        kind=int,
        default=1000,
        minimum=64,
        maximum=100000,
        help="The size whose time per atom and memory are judged; always tried.",
    ),
    Parameter(
        name="largest_n_atoms",
        kind=int,
        default=100000,
        minimum=64,
        maximum=1000000,
        help="No structure is made larger than about this.",
    ),
    Parameter(
        name="growth_limit_s",
        kind=float,
        default=120.0,
        minimum=0.1,
        maximum=36000.0,
        unit="s",
        help="No size above large_n_atoms is begun whose calls in one process would together take "
        "longer, as judged from the size before.",
    ),
    Parameter(
        name="batch_n_structures",
        kind=int,
        default=64,
        minimum=0,
        maximum=1024,
        help="Structures of one batched call; 0 leaves that mode out.",
    ),
    Parameter(
        name="batch_n_atoms",
        kind=int,
        default=64,
        minimum=1,
        maximum=1000,
        help="Atoms of each structure of a batch, at least.",
    ),
)

_CONDITIONS: tuple[Parameter, ...] = (
    Parameter(
        name="rattle_A",
        kind=float,
        default=0.01,
        minimum=1e-4,
        maximum=0.1,
        unit="Å",
        help="Standard deviation of the displacements that are drawn anew for every call.",
    ),
    Parameter(
        name="asks_stress",
        kind=bool,
        default=True,
        help="Ask for the stress beside energy and forces, where the potential offers it.",
    ),
    Parameter(
        name="reference_potential",
        kind=str,
        default="chgnet:0.3.0",
        help="Timed with the submission in short blocks in turns, at small_n_atoms; a name as on "
        "the command line, empty for none.",
    ),
    Parameter(
        name="idle_wait_s",
        kind=float,
        default=60.0,
        minimum=0.0,
        maximum=3600.0,
        unit="s",
        help="How long is waited for the device to be idle; then it is timed all the same, and the "
        "result is not ranked.",
    ),
)

EFFICIENCY = Protocol(
    name="efficiency",
    version=3,
    label="Speed, memory and size",
    summary="Force calls on growing structures whose atoms move in every call, timed from outside "
    "by our own clock: one calculator process at a time, with nothing else on the device.",
    source="Sizes, warm-up and median as in matbench-speed (github.com/mitkotak/matbench-speed), "
    "with quartiles, processes and the sandbox's share beside them",
    parameters=(*_SIZES, *_COUNTS, *_CONDITIONS),
    metrics=tuple(metric.key for metric in EFFICIENCY_METRICS),
    reference_properties=(),
    columns=(
        Column(name="call_time_ms", label="Latency, small cell", unit="ms", digits=3),
        Column(name="atom_time_us", label="Time per atom", unit="µs", digits=2),
        Column(name="throughput_atom_steps_s", label="Throughput", unit="atom-steps/s", digits=0),
        Column(
            name="nanoseconds_per_day",
            label="At 1 fs steps",
            unit="ns/day",
            digits=4,
            is_primary=False,
        ),
        Column(name="largest_n_atoms", label="Largest size", unit="atoms", digits=0),
        Column(
            name="first_failed_n_atoms",
            label="Did not run",
            unit="atoms",
            digits=0,
            is_primary=False,
        ),
        Column(name="scaling_exponent", label="Exponent", digits=2),
        Column(name="memory_peak_MiB", label="Peak memory", unit="MiB", digits=0),
        Column(
            name="batched_structures_s",
            label="Batched",
            unit="structures/s",
            digits=1,
            is_primary=False,
        ),
        Column(name="reference_ratio", label="Time / reference", digits=3),
        Column(
            name="sandbox_share_percent",
            label="Sandbox's share",
            unit="%",
            digits=2,
            is_primary=False,
        ),
        Column(
            name="small_process_spread_percent",
            label="Spread of processes, small cell",
            unit="%",
            digits=1,
            is_primary=False,
        ),
        Column(
            name="process_spread_percent",
            label="Spread of processes, large cell",
            unit="%",
            digits=1,
            is_primary=False,
        ),
    ),
    is_timed=True,
)
