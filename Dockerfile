# The image of a replica. `make image` builds it; python -m tools.image ticklock makes the same content without docker.
# PYTHON may be any image with Python 3.11 as /usr/local/bin/python3.11, best one named by its digest:
#   docker build --build-arg PYTHON=python@sha256:… .
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore SOURCE_DATE_EPOCH=1577836800
WORKDIR /src

# every file that is fetched is checked by its hash; nothing is compiled from source
COPY requirements.txt requirements-build.txt ./
RUN python3.11 -m venv --without-pip /opt/ticklock \
 && python3.11 -m pip --python /opt/ticklock/bin/python install --no-compile --require-hashes --only-binary=:all: \
      -r requirements.txt \
 && python3.11 -m pip install --no-compile --require-hashes --only-binary=:all: -r requirements-build.txt

COPY pyproject.toml README.md LICENSE ./
COPY crds crds
COPY operator operator
RUN python3.11 -m hatchling build -t wheel -d /tmp/wheel \
 && python3.11 -m pip --python /opt/ticklock/bin/python install --no-compile --no-deps --no-index /tmp/wheel/*.whl

# Out goes what nobody here calls. Compiled code is valid whatever the time stamps: the file system is read-only.
RUN cd /opt/ticklock/lib/python3.11/site-packages \
 && rm -rf kubernetes/aio kubernetes/client/api */tests \
 && python3.11 -m compileall -q -f --invalidation-mode unchecked-hash /opt/ticklock/lib/python3.11/site-packages


FROM ${PYTHON}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="ticklock" \
      org.opencontainers.image.description="A Kubernetes operator for scheduled jobs that must run exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
RUN groupadd --gid 65532 nonroot \
 && useradd --uid 65532 --gid 65532 --create-home --shell /usr/sbin/nologin nonroot
COPY --from=build /opt/ticklock /opt/ticklock
ENV PATH=/opt/ticklock/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080/tcp
ENTRYPOINT ["ticklock"]
CMD ["controller"]
