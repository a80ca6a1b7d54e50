# Ballast for workers, dashboard and MLflow alike: built in one stage, run in another without build tools.
#
#   docker/prepare && docker compose build                            PyTorch for CPUs
#   TORCH_BACKEND=cu130 docker compose build                          for a GPU; `auto` looks at this machine
#
# TORCH_BACKEND is uv's option of that name: it knows where each build of PyTorch is kept. An empty one takes
# PyTorch from the index that pip is set up for. Every other package is installed only if its SHA-256 is one that
# docker/requirements/ names, and so is PyTorch for CPUs of x86-64.
ARG PYTHON=3.11.14-slim-bookworm
ARG PYTHON_DIGEST

FROM python:${PYTHON}@${PYTHON_DIGEST} AS build
ARG TORCH_BACKEND=cpu
ENV VIRTUAL_ENV=/opt/ballast PATH=/opt/ballast/bin:$PATH PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
WORKDIR /src
COPY docker/requirements docker/requirements
RUN pip install --disable-pip-version-check --require-hashes -r docker/requirements/build.txt \
    && uv venv --python "$(command -v python3)" /opt/ballast
COPY constraints.txt ./
# PyTorch in a layer of its own: it is most of the image and changes least.
RUN if [ "$TORCH_BACKEND" = cpu ] && [ "$(uname -m)" = x86_64 ]; \
    then uv pip install --torch-backend=cpu --no-deps --require-hashes -r docker/requirements/torch.txt; \
    else uv pip install ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} -c constraints.txt torch; fi
RUN uv pip install --no-deps --require-hashes -r docker/requirements/ballast.txt
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY storage storage
COPY trainer trainer
COPY search search
COPY ballast ballast
RUN /usr/local/bin/pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels . \
    && uv pip install --no-deps --no-index --find-links /wheels ballast-gru

FROM python:${PYTHON}@${PYTHON_DIGEST}
LABEL org.opencontainers.image.title="ballast" \
      org.opencontainers.image.description="Hyperparameter search for GRU forecasters of financial time series"
RUN useradd --uid 1000 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ballast \
    && install --directory --owner=ballast --group=ballast /work /var/cache/ballast
COPY --from=build /opt/ballast /opt/ballast
COPY --chmod=0755 docker/with-password /usr/local/bin/
# Compiled once per volume: /opt is read-only, and /tmp is gone with the container.
ENV PATH=/opt/ballast/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/var/cache/ballast
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["with-password"]
CMD ["ballast", "--help"]
