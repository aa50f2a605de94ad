"""The one reader of environment variables, and where the project stands."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()

# Everything that Duka writes in development: database, uploads, logs.
VAR_DIR = Path(env.str("DUKA_VAR", default=str(BASE_DIR / "var")))
