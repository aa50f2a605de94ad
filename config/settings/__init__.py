"""Settings, split by concern and read from the environment (README, "Configuration").

`development` and `production` are the two that a person chooses with
`DJANGO_SETTINGS_MODULE`; `test` is chosen by pytest.ini. The other modules
each hold one concern and are star-imported by `base`.
"""
