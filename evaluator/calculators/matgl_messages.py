"""Which atom collects a message: MatGL turned this round, and older weights do not survive it.

Until release 2.1 the message of an edge was summed onto its destination, since then (TensorNet with
2.2, M3GNet and QET with 3.0) onto its source. Weights trained under the old rule still load, still
give sound numbers for elements, and wrong ones for every compound; see the section on release 3.0.0
in the README of matgl. Here such weights are used under the rule that they were trained with.
"""

from __future__ import annotations

from typing import Any

import torch
from matgl.models import QET, M3GNet, TensorNet
from matgl.utils.maths import scatter_add

from evaluator.calculators.base import LoadError

SOURCE, DESTINATION = "source", "destination"
#: The version of matgl's TensorNet class that turned the rule round.
_TENSORNET_TURNED = 2


def use_messages(network: torch.nn.Module, described: dict[str, Any], chosen: str) -> str:
    """Make the network collect messages as it was trained to; return "source" or "destination".

    ``described`` is the model's own entry in model.json; ``chosen`` the submission's setting,
    "auto" to be told by that entry. Raises LoadError where it does not tell.
    """
    rule = _rule_of(network, described) if chosen == "auto" else chosen
    if rule == DESTINATION:
        _collect_at_destination(network)
    return rule


def _rule_of(network: torch.nn.Module, described: dict[str, Any]) -> str:
    if type(network) is TensorNet:
        is_old = described.get("@model_version", 0) < _TENSORNET_TURNED
        return DESTINATION if is_old else SOURCE
    if type(network) is M3GNet and "dropout" not in described.get("init_args", {}):
        return DESTINATION  # older than the argument, which is older than the turn
    if isinstance(network, M3GNet | QET):
        raise LoadError(
            f"model.json does not tell whether this {type(network).__name__} was trained with "
            "matgl before 3.0 or since, and the two mean different potentials. Set "
            '"message_passing" to "destination" (before 3.0) or "source" (3.0 and later).'
        )
    return SOURCE


def _collect_at_destination(network: torch.nn.Module) -> None:
    if type(network) is TensorNet:
        _turn_tensornet(network)
    elif type(network) is M3GNet:
        for layer in network.graph_layers:
            _turn_m3gnet(layer.conv)
    else:
        raise LoadError(
            f'"message_passing" can be "destination" for M3GNet and TensorNet alone; this is a '
            f"{type(network).__name__}. Leave it out."
        )


def _turn_tensornet(network: Any) -> None:  # noqa: ANN401  (torch's attributes are dynamic)
    """Express the potential in the new rule's weights: every edge is read from its other end.

    That swaps the two atoms in the pair embedding, and the bond's direction, in which only the
    skew-symmetric part (weighted by ``distance_proj2``) is odd.
    """
    embedding = network.tensor_embedding
    with torch.no_grad():
        first, second = embedding.emb2.weight.chunk(2, dim=1)
        embedding.emb2.weight.copy_(torch.cat([second, first], dim=1))
        embedding.distance_proj2.weight.neg_()
        embedding.distance_proj2.bias.neg_()


def _turn_m3gnet(conv: Any) -> None:  # noqa: ANN401
    """Sum node messages at the destination. Weights alone cannot say it: the edges are directed."""

    def node_update_(
        edge_index: torch.Tensor,
        edge_feat: torch.Tensor,
        node_feat: torch.Tensor,
        rbf: torch.Tensor,
        u_per_edge: torch.Tensor | None,
        num_nodes: int,
    ) -> torch.Tensor:
        source, destination = edge_index[0], edge_index[1]
        inputs = [node_feat[source], node_feat[destination], edge_feat]
        if conv.include_state and u_per_edge is not None:
            inputs.append(u_per_edge)
        messages = conv.node_update_func(torch.hstack(inputs)) * conv.node_weight_func(rbf)
        summed: torch.Tensor = scatter_add(messages, destination, dim_size=num_nodes, dim=0)
        return summed

    conv.node_update_ = node_update_
