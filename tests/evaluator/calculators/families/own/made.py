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


def nequip(path: str) -> None:
    """Train for a second on EMT's copper, by the configuration that nequip tests itself with."""
    import os
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    import nequip

    environment = {**os.environ, "TEST_VAL_TWO": "2"}  # the configuration asks for it
    folder = tempfile.mkdtemp()
    dataset = "data.split_dataset.dataset"
    train = [
        *("nequip.scripts.train", "-cn", "minimal_toy_emt.yaml"),
        *("-cp", str(Path(nequip.__file__).parent / "utils" / "unittests")),
        *("run=[train]", "trainer.max_epochs=1", "cutoff_radius=4.0", "num_features=4"),
        *(f"{dataset}.supercell=[2,2,2]", f"{dataset}.num_frames=4", "data.split_dataset.train=2"),
        *("data.split_dataset.val=1", "data.split_dataset.test=1", f"hydra.run.dir={folder}"),
    ]
    package = ["nequip.scripts.package", "build", f"{folder}/best.ckpt", path]
    for module in (train, package):
        subprocess.run([sys.executable, "-m", *module], check=True, env=environment, cwd=folder)
    shutil.copy(f"{folder}/best.ckpt", f"{path}.ckpt")


def metatomic(path: str) -> None:
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent))
    from metatomic_pairs import exported

    exported().save(path)


def nequix(path: str) -> None:
    import jax
    from nequix.model import Nequix, save_model

    config = {
        "atomic_numbers": [1, 8, 14],
        "hidden_irreps": "4x0e + 2x1o",
        "lmax": 1,
        "cutoff": 4.0,
        "n_layers": 2,
        "radial_basis_size": 4,
        "radial_mlp_size": 4,
        "radial_mlp_layers": 1,
        "radial_polynomial_p": 6.0,
        "mlp_init_scale": 4.0,
        "index_weights": False,
        "layer_norm": True,
        "shift": 0.0,
        "scale": 1.0,
        "avg_n_neighbors": 20.0,
    }
    arguments = {k: v for k, v in config.items() if k != "atomic_numbers"}
    model = Nequix(jax.random.key(1), n_species=3, atom_energies=[-1.0, -2.0, -3.0], **arguments)
    save_model(path, model, config)


def grace(path: str) -> None:
    """A folder, for the package's own calculator, and beside it the zip of it that is sent."""
    import shutil

    import numpy as np
    from tensorpotential.potentials.presets import FS

    # After it: the package sets what TensorFlow reads when it is imported.
    import tensorflow as tf  # isort: skip
    from tensorpotential.tpmodel import TPModel  # isort: skip

    tf.random.set_seed(1)
    np.random.seed(1)  # noqa: NPY002  (what the package draws from)
    manager = FS(
        element_map={"H": 0, "O": 1, "Si": 2},
        rcut=4.0,
        lmax=(1, 1),
        Lmax=(None, 0),
        max_sum_l=(None, None),
        lmax_hist=(None, None),
        n_rad_base=4,
        n_rad_max=(3, 2),
        embedding_size=4,
        max_order=2,
        fs_parameters=((1.0, 1.0), (1.0, 0.5)),
    )
    model = TPModel(manager.get_instructions())
    model.build(tf.float64, jit_compile=False)
    model.save_model(path, jit_compile=False, input_signature_float_dtype=tf.float64)
    shutil.make_archive(path, "zip", path)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
