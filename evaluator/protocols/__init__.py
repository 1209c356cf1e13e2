"""Protocols by the name that the catalog gives them."""

from __future__ import annotations

from evaluator.protocols.base import Protocol
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from evaluator.protocols.efficiency.protocol import EfficiencyProtocol
from evaluator.protocols.elastic import ElasticProtocol
from evaluator.protocols.energy_forces import EnergyForcesProtocol
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from evaluator.protocols.interaction_energy import InteractionEnergyProtocol
from evaluator.protocols.mixing_energy import MixingEnergyProtocol
from evaluator.protocols.phonons.protocol import PhononsProtocol
from evaluator.protocols.rare_event_forces import RareEventForcesProtocol
from evaluator.protocols.surface_energy import SurfaceEnergyProtocol
from evaluator.protocols.vacancy_formation import VacancyFormationProtocol

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        EquationOfStateProtocol(),
        EnergyForcesProtocol(),
        RareEventForcesProtocol(),
        PhononsProtocol(),
        MDStabilityProtocol(),
        EfficiencyProtocol(),
        MixingEnergyProtocol(),
        SurfaceEnergyProtocol(),
        InteractionEnergyProtocol(),
        ElasticProtocol(),
        VacancyFormationProtocol(),
    )
}
