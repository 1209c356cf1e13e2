"""Small artifacts of families whose weights no package brings: random, and good for nothing.

``python made.py NAME PATH``, run by the Python of the family's runtime, never imported.
"""

from __future__ import annotations

import sys


def orb_conservative(path: str) -> None:
    import torch
    from orb_models.forcefield.atomic_system import SystemConfig
    from orb_models.forcefield.pretrained import orb_v3_conservative_architecture

    torch.manual_seed(1)
    model = orb_v3_conservative_architecture(
        latent_dim=16,
        base_mlp_hidden_dim=32,
        head_mlp_hidden_dim=16,
        num_message_passing_steps=2,
        device=torch.device("cpu"),
        system_config=SystemConfig(radius=6.0, max_num_neighbors=120),
    )
    torch.save(model, path)


def orb_direct(path: str) -> None:
    import torch
    from orb_models.forcefield.atomic_system import SystemConfig
    from orb_models.forcefield.pretrained import orb_v3_direct_architecture

    torch.manual_seed(2)
    model = orb_v3_direct_architecture(
        latent_dim=16,
        base_mlp_hidden_dim=32,
        head_mlp_hidden_dim=16,
        num_message_passing_steps=2,
        has_charge_spin_cond=True,
        device=torch.device("cpu"),
        system_config=SystemConfig(radius=6.0, max_num_neighbors=20),
    )
    torch.save(model, path)


def orb_v2_weights(path: str) -> None:
    import torch
    from orb_models.forcefield.pretrained import orb_v2_architecture

    torch.manual_seed(3)
    model = orb_v2_architecture(num_message_passing_steps=5, device=torch.device("cpu"))
    torch.save(model.state_dict(), path)


def mattersim(path: str) -> None:
    import torch
    from mattersim.forcefield.m3gnet.m3gnet import M3Gnet
    from mattersim.forcefield.potential import Potential

    torch.manual_seed(4)
    model = M3Gnet(num_blocks=2, units=16, max_l=3, max_n=3, device="cpu")
    Potential(model, device="cpu").save(path)


def mattersim_torn(path: str) -> None:
    import torch

    mattersim(path)
    held = torch.load(path, weights_only=False)
    del held["model"][next(iter(held["model"]))]
    torch.save(held, path)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
