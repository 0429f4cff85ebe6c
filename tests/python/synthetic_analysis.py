"""Contents of analysis.json with the shapes of real ones, made from formulas."""

import numpy as np


def estimate(value, error, unit, method="block bootstrap, 8 blocks", n_eff=120.0):
    return {"value": value, "error": error, "unit": unit, "method": method, "n_eff": n_eff}


def jitter(rng, shape, size):
    """Noise as correlated between neighbours as that of histograms."""
    raw = rng.normal(size=shape)
    return size * np.convolve(raw, [0.5, 0.7, 0.5], mode="same")


def thermo(rng, kelvin, density=None, ps=50.0):
    time = np.linspace(0, ps, 1500)
    settle = np.exp(-time / 1.5)
    temperature = kelvin + jitter(rng, time.shape, 9.0) - 60 * settle
    energy = -7.412 + 2e-3 * settle + jitter(rng, time.shape, 4e-4)
    pressure = -120 + jitter(rng, time.shape, 900) + 3000 * settle
    mass = np.full(time.shape, 0.92) if density is None else (
        density + jitter(rng, time.shape, 4e-3) - 0.03 * settle)
    quantities = {
        "temperature": estimate(kelvin + 0.21, 0.38, "K", "mean, statistical inefficiency"),
        "potential_energy_per_atom": estimate(-7.41203, 4.1e-5, "eV/atom"),
        "total_energy_per_atom": estimate(-7.37321, 5.2e-5, "eV/atom"),
        "pressure": estimate(-121.3, 44.7, "bar"),
    }
    if density is not None:
        quantities["density"] = estimate(density, 0.0012, "g/cm3")
    return {"equilibration_ps": 5.0, "quantities": quantities, "series": {
        "time_ps": time.tolist(), "temperature": temperature.tolist(),
        "potential_energy_per_atom": energy.tolist(), "pressure": pressure.tolist(),
        "density": mass.tolist()}}


def profile(rng, shift=0.0):
    z = np.arange(0.05, 15, 0.1)
    bulk = 33.4 / (1 + np.exp(-(z - 2.75 - shift) / 0.12))
    number = bulk * (1 + 2.1 * np.exp(-((z - 3.24 - shift) / 0.32) ** 2)
                     - 0.45 * np.exp(-((z - 4.5 - shift) / 0.6) ** 2)
                     + 0.35 * np.exp(-((z - 6.2 - shift) / 0.6) ** 2))
    error = 0.15 + 0.02 * number
    number = np.maximum(number + error * jitter(rng, z.shape, 0.6), 0) * (z > 2.2)
    return {"element": "O", "sheet": "C", "z_ang": z.tolist(), "number_per_nm3": number.tolist(),
            "number_error": (error * (number > 0)).tolist(),
            "mass_gcm3": (number * 0.029915).tolist(), "mass_of": "water",
            "peak_ang": estimate(3.241 + shift, 0.011, "A", "log-parabola, block bootstrap"),
            "closest_ang": estimate(2.43 + shift, 0.03, "A"), "bin_ang": 0.1}


def rdf(rng, peak, height, shell, stretch=1.0):
    r = np.arange(0.025, 6.0, 0.05)
    g = 1 / (1 + np.exp(-(r - 0.93 * peak) / 0.05))
    g = g * (1 + (height - 1) * np.exp(-((r - peak) / 0.18) ** 2)
             - 0.25 * np.exp(-((r - 1.25 * peak) / 0.35) ** 2)
             + 0.15 * np.exp(-((r - 1.65 * peak) / 0.4) ** 2) * stretch)
    error = 0.01 + 0.012 * g
    g = np.maximum(g + error * jitter(rng, r.shape, 0.6), 0) * (r > 0.85 * peak)
    running = np.cumsum(4 * np.pi * r**2 * g * 0.05 * 0.0334) * shell
    return {"r_ang": r.tolist(), "g": g.tolist(), "g_error": (error * (g > 0)).tolist(),
            "coordination": running.tolist(),
            "first_peak_ang": estimate(peak, 0.004, "A", "parabola, block bootstrap"),
            "first_minimum_ang": estimate(1.25 * peak, 0.02, "A"),
            "coordination_number": estimate(float(np.interp(1.25 * peak, r, running)), 0.05, ""),
            "normalisation": "slab"}


def msd(rng, diffusion, unit="1e-9 m2/s", dimensions="xy", fitted=True):
    lag = np.linspace(0, 20, 400)
    d = 4 if dimensions == "xy" else 6
    value = 0.1 * d * diffusion * lag + 0.8 * (1 - np.exp(-((lag / 0.15) ** 2)))
    error = 0.02 * value * np.sqrt(1 + lag)
    return {"lag_ps": lag.tolist(), "msd_ang2": value.tolist(), "msd_error": error.tolist(),
            "dimensions": dimensions, "fit_ps": [3.0, 10.0] if fitted else None,
            "diffusion": estimate(diffusion, 0.05 * diffusion, unit) if fitted else None,
            "yeh_hummer": None}


def vacf(modes):
    lag = np.arange(0, 2, 0.002)
    wave = np.linspace(0, 5000, 700)
    signal = sum(w * np.cos(2 * np.pi * 0.0299792 * f * lag) * np.exp(-lag / t)
                 for f, w, t in modes)
    density = sum(w * np.exp(-(((wave - f) / (8 + 30 / t)) ** 2)) for f, w, t in modes)
    return {"lag_ps": lag.tolist(), "vacf": (signal / signal[0]).tolist(),
            "frequency_cm1": wave.tolist(), "spectrum": density.tolist()}


OXYGEN = [(60, 1.0, 0.25), (200, 0.5, 0.2), (550, 0.25, 0.1), (3400, 0.05, 0.1)]
HYDROGEN = [(560, 1.0, 0.08), (1640, 0.45, 0.3), (3450, 0.9, 0.12)]


def provenance(ensemble="nvt", sha="4f1d" * 16):
    return {
        "model": {"file": "graphene-water.mace", "sha256": sha,
                  "description": "MACE, native file, 3 elements, r_max 6 A"},
        "versions": {"mdbench": "0.1.0", "LAMMPS": "22 Jul 2025", "python": "3.11.7",
                     "MDAnalysis": "2.11.0"},
        "hardware": {"cpu": "AMD EPYC 7B13", "cores": 2, "gpu": None},
        "num_atoms": 372, "elements": ["C", "O", "H"], "timestep_fs": 0.5, "ensemble": ensemble,
        "ns_per_day": 0.312, "simulated_ps": 50.0,
        "command": ["lmp", "-in", "run.in", "-sf", "opt"]}


def graphene_run(seed=1, kelvin=298.0, shift=0.0, noise=7, scale=1.0):
    rng = np.random.default_rng(noise)
    return {
        "name": f"{kelvin:g}K-seed{seed}", "temperature_k": kelvin, "seed": seed,
        "label": f"graphene-water {kelvin:g} K", "provenance": provenance(),
        "thermo": thermo(rng, kelvin), "density_profile": profile(rng, shift),
        "rdf": {"O-O": rdf(rng, 2.76 + shift, 2.9, 1.0), "O-H": rdf(rng, 1.83, 1.3, 2.0),
                "C-O": rdf(rng, 3.4, 1.5, 0.4)},
        "msd": {"O": msd(rng, 2.31 * scale), "H": msd(rng, 2.4 * scale),
                "C": msd(rng, 0.001, fitted=False)},
        "vacf": {"all": vacf(OXYGEN + HYDROGEN), "O": vacf(OXYGEN), "H": vacf(HYDROGEN)},
        "refused": [{"quantity": "diffusion of C", "reason": "no window where the slope of log MSD "
                     "against log t is 1 ± 0.05 (atoms of the sheet do not diffuse)"}]}


def graphene_water(name="graphene-water", runs=None):
    return {"schema": 1, "kind": "mdbench analysis", "name": name,
            "runs": runs if runs is not None else [graphene_run()], "combined": {}, "refused": []}


def licl(name="licl-water", scale=1.0, seeds=(1, 2)):
    """NPT at five temperatures."""
    kelvins = [278.0, 288.0, 298.0, 313.0, 333.0]
    densities = [1.0912, 1.0884, 1.0849, 1.0786, 1.0691]
    runs, rates = [], {"O": [], "Li": [], "Cl": []}
    for kelvin, density in zip(kelvins, densities):
        factor = scale * np.exp(-2150 * (1 / kelvin - 1 / 298))
        for seed in seeds:
            rng = np.random.default_rng(int(kelvin) * 10 + seed)
            d = {"O": 1.9 * factor, "Li": 0.82 * factor, "Cl": 1.21 * factor}
            wobble = 1 + 0.03 * rng.normal()
            runs.append({
                "name": f"{kelvin:g}K-seed{seed}", "temperature_k": kelvin, "seed": seed,
                "label": f"{name} {kelvin:g} K", "provenance": provenance("npt"),
                "thermo": thermo(rng, kelvin, density * (1 + 2e-4 * rng.normal())),
                "rdf": {"O-O": rdf(rng, 2.8, 2.6, 1.0), "Li-O": rdf(rng, 1.98, 9.5, 0.5),
                        "Cl-O": rdf(rng, 3.2, 3.1, 0.6), "Cl-H": rdf(rng, 2.24, 3.0, 1.1)},
                "msd": {e: msd(rng, v * wobble, dimensions="xyz") for e, v in d.items()},
                "vacf": {"all": vacf(OXYGEN + HYDROGEN)}, "refused": []})
        for element, found in rates.items():
            found.append(d[element])
    rng = np.random.default_rng(5)
    arrhenius = {}
    for element, found in rates.items():
        values = np.array(found) * (1 + 0.03 * rng.normal(size=5))
        arrhenius[element] = {
            "temperature_k": kelvins, "diffusion": values.tolist(),
            "diffusion_error": (0.04 * values).tolist(),
            "activation_energy": estimate(17.88, 0.61, "kJ/mol", "weighted fit of ln D, 5 T")}
    return {"schema": 1, "kind": "mdbench analysis", "name": name, "runs": runs, "refused": [],
            "combined": {"arrhenius": arrhenius, "density_temperature": {
                "temperature_k": kelvins, "density_gcm3": densities,
                "density_error": [8e-4] * 5,
                "slope": estimate(-4.02e-4, 0.12e-4, "g/cm3/K", "weighted fit")}}}
