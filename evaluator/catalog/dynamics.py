"""The catalog's part on molecular dynamics. Standard library only."""

from __future__ import annotations

from evaluator.catalog.types import Column, Direction, Metric, Parameter, Protocol

_FU = "Fu et al., Trans. Mach. Learn. Res. (2023), arXiv:2210.07237"
_ARENA = "Chiang et al., MLIP Arena, arXiv:2509.20630"
_KAPLAN_MEIER = "Kaplan and Meier, J. Am. Stat. Assoc. 53, 457 (1958)"
_LAMBENCH = "Peng et al., LAMBench, arXiv:2504.19578"
_DYNAMAT = (
    "DynaMat, the dynamics part of Matbench Discovery, Riebesell et al., "
    "Nat. Mach. Intell. 7, 836 (2025), arXiv:2308.14920"
)
_UNIFFBENCH = "UniFFBench, arXiv:2508.05762"

MD_METRICS: tuple[Metric, ...] = (
    Metric(
        key="time_fraction_stable",
        label="Time survived",
        unit="",
        direction=Direction.HIGHER,
        description="Restricted mean survival: mean share of the run's length before physics "
        "fails, from the Kaplan-Meier estimate over replicas; runs broken off by the clock are "
        "censored.",
        source=_KAPLAN_MEIER,
    ),
    Metric(
        key="trajectory_fraction_stable",
        label="Completed",
        unit="",
        direction=Direction.HIGHER,
        description="Kaplan-Meier probability that a replica reaches the end without a physical "
        "failure.",
        source=_ARENA,
    ),
    Metric(
        key="nve_energy_drift",
        label="NVE drift",
        unit="meV/(atom ps)",
        direction=Direction.LOWER,
        description="Mean over replicas of the absolute slope of the total energy per atom at "
        "constant energy, after the first fifth of the run.",
        source=_LAMBENCH,
        digits=4,
    ),
    Metric(
        key="nve_extrapolated_drift",
        label="NVE drift, dt → 0",
        unit="meV/(atom ps)",
        direction=Direction.LOWER,
        description="The drift with the integrator's part taken off, (4 d(dt/2) - d(dt))/3, from a "
        "second run with half the time step.",
        digits=4,
    ),
    Metric(
        key="nve_energy_rmse",
        label="NVE fluctuation",
        unit="meV/atom",
        direction=Direction.LOWER,
        description="Mean over replicas of the root mean square of the total energy per atom "
        "around its straight line.",
        digits=4,
    ),
    Metric(
        key="temperature_relative_error",
        label="Temperature error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean over replicas of the absolute deviation from one of the mean of "
        "temperature over target, after the first fifth of a run in a bath.",
        digits=2,
    ),
    Metric(
        key="rdf_error",
        label="g(r) error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean over replicas of 100 min(1, ∫|g - g_ref| / ∫|g_ref - 1|) of the radial "
        "distribution function, after the first fifth of a run at constant volume and at the "
        "reference's temperature. An ideal gas has 100.",
        source=_DYNAMAT,
        digits=1,
    ),
    Metric(
        key="density_relative_error",
        label="Density error",
        unit="%",
        direction=Direction.LOWER,
        description="Mean over replicas of the absolute deviation of the mean density from the "
        "reference's, after the first fifth of a run at constant pressure.",
        source=_UNIFFBENCH,
        digits=2,
    ),
)

_RUN_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        name="ensemble",
        kind=str,
        default="nvt_ramp",
        choices=("nvt_hold", "nvt_ramp", "npt_hold", "npt_ramp", "nve"),
        help="nvt_hold, nvt_ramp: Nosé-Hoover chain of three at constant volume, at one "
        "temperature or heated linearly; npt_hold, npt_ramp: Martyna-Tobias-Klein, at one "
        "temperature and pressure or with both raised linearly, the cell keeps its shape; nve: "
        "velocity Verlet after an equilibration.",
    ),
    Parameter(
        name="duration_ps",
        kind=float,
        default=10.0,
        minimum=0.01,
        maximum=10000.0,
        unit="ps",
        help="Length of the run that is judged.",
    ),
    Parameter(
        name="timestep_fs",
        kind=float,
        default=1.0,
        minimum=0.05,
        maximum=5.0,
        unit="fs",
        help="Time step of systems without hydrogen.",
    ),
    Parameter(
        name="timestep_hydrogen_fs",
        kind=float,
        default=0.5,
        minimum=0.05,
        maximum=2.0,
        unit="fs",
        help="Time step of systems that hold hydrogen.",
    ),
    Parameter(
        name="temperature_K",
        kind=float,
        default=300.0,
        minimum=1.0,
        maximum=10000.0,
        unit="K",
        help="Temperature of the start, of the equilibration, and of what is held.",
    ),
    Parameter(
        name="final_temperature_K",
        kind=float,
        default=3000.0,
        minimum=1.0,
        maximum=10000.0,
        unit="K",
        help="Temperature at the end of a ramp.",
    ),
    Parameter(
        name="pressure_GPa",
        kind=float,
        default=0.0,
        minimum=-10.0,
        maximum=1000.0,
        unit="GPa",
        help="Pressure of npt_hold and at the start of npt_ramp.",
    ),
    Parameter(
        name="final_pressure_GPa",
        kind=float,
        default=500.0,
        minimum=-10.0,
        maximum=1000.0,
        unit="GPa",
        help="Pressure at the end of npt_ramp.",
    ),
    Parameter(
        name="thermostat_time_fs",
        kind=float,
        default=100.0,
        minimum=5.0,
        maximum=10000.0,
        unit="fs",
        help="Characteristic time of the thermostat. Its first mass is 3 n kT times its square, "
        "the others kT times its square; they follow the ramp.",
    ),
    Parameter(
        name="barostat_time_fs",
        kind=float,
        default=1000.0,
        minimum=10.0,
        maximum=100000.0,
        unit="fs",
        help="Characteristic time of the barostat. Its mass is (3 n + 3) kT times its square.",
    ),
    Parameter(
        name="equilibration_ps",
        kind=float,
        default=2.0,
        minimum=0.01,
        maximum=1000.0,
        unit="ps",
        help="For nve: run with the thermostat before the one that is judged.",
    ),
    Parameter(
        name="n_relax_steps",
        kind=int,
        default=50,
        minimum=0,
        maximum=1000,
        help="Relaxation (FIRE) of the positions before anything else: at most so many steps, or "
        "to forces of 0.05 eV/Å.",
    ),
    Parameter(
        name="initial_volume_ratio",
        kind=float,
        default=1.0,
        minimum=0.5,
        maximum=2.0,
        help="Volume of the start over that of the reference set's structure: the barostat has to "
        "find the way, so that a potential without any stress is not right from the beginning.",
    ),
    Parameter(
        name="scored_share",
        kind=float,
        default=1.0,
        minimum=0.01,
        maximum=1.0,
        help="Share of the run up to which survival is scored; what comes later is shown.",
    ),
    Parameter(
        name="has_control_run",
        kind=bool,
        default=True,
        help="For nve: repeat the run with half the time step, to know what the integrator adds.",
    ),
    Parameter(
        name="uses_reference_temperature",
        kind=bool,
        default=False,
        help="Take temperature_K from the reference set, where each system has its own.",
    ),
    Parameter(
        name="records_pressure",
        kind=bool,
        default=True,
        help="Ask for the stress at constant volume too, where the potential offers it.",
    ),
    Parameter(
        name="wall_limit_s",
        kind=float,
        default=3600.0,
        minimum=0.01,
        maximum=1000000.0,
        unit="s",
        help="A replica that takes longer is broken off and censored, never called unstable; "
        "waiting for its turn counts. Keep "
        "the sum over replicas, divided by how many run side by side, below the task's wall time.",
    ),
)

_BOUND_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        name="min_distance_ratio",
        kind=float,
        default=0.5,
        minimum=0.1,
        maximum=0.9,
        help="Failed: two atoms closer than this share of the sum of their covalent radii.",
    ),
    Parameter(
        name="max_temperature_K",
        kind=float,
        default=10000.0,
        minimum=100.0,
        maximum=1000000.0,
        unit="K",
        help="Failed: hotter than this at any step.",
    ),
    Parameter(
        name="max_temperature_ratio",
        kind=float,
        default=10.0,
        minimum=1.5,
        maximum=100.0,
        help="Failed: for 50 steps hotter than the target by more than this factor, or colder.",
    ),
    Parameter(
        name="max_volume_ratio",
        kind=float,
        default=3.0,
        minimum=1.1,
        maximum=100.0,
        help="Failed: a volume larger or smaller than the start's by more than this factor.",
    ),
    Parameter(
        name="max_lindemann",
        kind=float,
        default=0.3,
        minimum=0.05,
        maximum=2.0,
        help="Failed: root-mean-square displacement over the distance of neighbours above this "
        "while the target lies below half the melting point. Only where the set "
        "gives a melting point.",
    ),
    Parameter(
        name="max_bond_change_A",
        kind=float,
        default=0.5,
        minimum=0.1,
        maximum=5.0,
        unit="Å",
        help="Failed: a bond of a molecule changed by more than this at a temperature at which the "
        "set says that bonds hold.",
    ),
)

MD_STABILITY = Protocol(
    name="md_stability",
    version=2,
    label="Stability of molecular dynamics",
    summary="Replicas (structure and seed) run in one ensemble until physics fails, the run is "
    "complete, or the clock censors it.",
    source=f"{_FU}; {_ARENA}",
    parameters=(*_RUN_PARAMETERS, *_BOUND_PARAMETERS),
    metrics=tuple(metric.key for metric in MD_METRICS),
    reference_properties=(),
    columns=(
        Column(name="survived_ps", label="Survived", unit="ps", digits=3),
        Column(name="min_distance_ratio", label="Least distance / Σr_cov", digits=3),
        Column(name="max_temperature_K", label="Highest temperature", unit="K", digits=0),
        Column(name="density_g_cm3", label="Density", unit="g/cm³", digits=3),
        Column(
            name="density_error_g_cm3", label="± (blocks)", unit="g/cm³", digits=3, is_primary=False
        ),
        Column(name="pressure_mean_GPa", label="Pressure", unit="GPa", digits=2),
        Column(
            name="pressure_error_GPa", label="± (blocks)", unit="GPa", digits=2, is_primary=False
        ),
        Column(
            name="pressure_sd_GPa",
            label="Pressure, fluctuation",
            unit="GPa",
            digits=2,
            is_primary=False,
        ),
        Column(name="rdf_error_percent", label="g(r) error", unit="%", digits=1),
        Column(
            name="rdf_noise_percent", label="Noise of g_ref", unit="%", digits=1, is_primary=False
        ),
        Column(name="nve_drift_meV_atom_ps", label="Drift", unit="meV/(atom ps)", digits=4),
        Column(
            name="nve_drift_half_timestep_meV_atom_ps",
            label="Drift at dt/2",
            unit="meV/(atom ps)",
            digits=4,
            is_primary=False,
        ),
        Column(
            name="nve_fluctuation_meV_atom",
            label="Fluctuation",
            unit="meV/atom",
            digits=4,
            is_primary=False,
        ),
    ),
)
