"""What the core itself shows: its numbers, and what the doctor looks at."""

from . import counting, doctor, examining, measuring, metrics

metrics.register(measuring.measure_build, part="build", needs_database=False)
metrics.register(counting.counted, part="processes", needs_database=False)
metrics.register(measuring.measure_backups, part="backups", needs_database=False)
metrics.register(measuring.measure_database, part="database")
metrics.register(measuring.measure_queue, part="queue")
metrics.register(measuring.measure_work, part="work")

doctor.register("settings", examining.examine_settings)
doctor.register("database", examining.examine_database)
doctor.register("migrations", examining.examine_migrations, database=True)
doctor.register("worker", examining.examine_workers, database=True)
doctor.register("ticker", examining.examine_ticker, database=True)
doctor.register("queue", examining.examine_queue, database=True)
doctor.register("broker", examining.examine_broker, network=True)
doctor.register("clock", examining.examine_clock)
doctor.register("cache", examining.examine_cache, database=True)
doctor.register("disk", examining.examine_disks)
doctor.register("static", examining.examine_static)
doctor.register("media", examining.examine_media)
doctor.register("metrics", examining.examine_metrics)
doctor.register("backup", examining.examine_backups)
doctor.register("sentry", examining.examine_sentry, network=True)
doctor.register("mail", examining.examine_mail, network=True)
