#!/usr/bin/env bash
# The run that made graphene-water.model: train.xyz and test.xyz (make_dataset.py) in the working
# folder, one CPU core. FOUNDATION=FILE starts from a model's weights instead of random ones.
set -eu
epochs=${EPOCHS:-40}
more=()
[ -z "${FOUNDATION:-}" ] || more=(--foundation_model="$FOUNDATION" --multiheads_finetuning=False)
OMP_NUM_THREADS=1 python -m mace.cli.run_train --name=graphene-water --work_dir=run \
  --train_file=train.xyz --valid_fraction=0.06 --test_file=test.xyz \
  --config_type_weights='{"Default":1.0}' --E0s=average --model=ScaleShiftMACE \
  --hidden_irreps=16x0e --max_ell=2 --correlation=3 --num_interactions=2 --r_max=4.5 \
  --num_radial_basis=8 --num_cutoff_basis=5 --radial_MLP='[64,64,64]' --MLP_irreps=16x0e \
  --interaction_first=RealAgnosticDensityInteractionBlock \
  --interaction=RealAgnosticDensityResidualInteractionBlock \
  --pair_repulsion --distance_transform=Agnesi \
  --loss=universal --energy_weight=10 --forces_weight=20 --stress_weight=2000 --compute_stress=True \
  --energy_key=REF_energy --forces_key=REF_forces --stress_key=REF_stress \
  --error_table=PerAtomRMSEstressvirials --batch_size=4 --valid_batch_size=16 \
  --max_num_epochs="$epochs" --lr="${LR:-0.01}" --weight_decay=5e-7 --ema --ema_decay=0.99 --amsgrad \
  --clip_grad=10 --scheduler=ExponentialLR --lr_scheduler_gamma="${GAMMA:-0.89}" \
  --default_dtype=float32 --device=cpu --seed=3 --eval_interval=2 --num_workers=0 --plot=False \
  --save_cpu "${more[@]}"
