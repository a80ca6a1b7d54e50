# Ballast for workers, dashboard and MLflow alike: built in one stage, run in another without build tools.
#
#   docker build -t ballast .                                     PyTorch for CPUs
#   docker build -t ballast --build-arg TORCH_BACKEND=cu130 .     PyTorch for a GPU; `auto` looks at this machine
#
# TORCH_BACKEND is uv's option of that name: it knows where each build of PyTorch is kept. An empty one takes
# PyTorch from the index that pip is set up for.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
ARG TORCH_BACKEND=cpu
ENV VIRTUAL_ENV=/opt/ballast PATH=/opt/ballast/bin:$PATH PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
RUN pip install --disable-pip-version-check uv==0.13.9 && uv venv --python "$(command -v python3)" /opt/ballast
WORKDIR /src
COPY constraints.txt ./
# PyTorch in a layer of its own: it is most of the image and changes least.
RUN uv pip install ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} -c constraints.txt torch
COPY pyproject.toml README.md ./
COPY configs configs
COPY storage storage
COPY trainer trainer
COPY search search
COPY ballast ballast
RUN uv pip install ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} -c constraints.txt ".[postgres]"

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="ballast" \
      org.opencontainers.image.description="Hyperparameter search for GRU forecasters of financial time series"
RUN useradd --uid 1000 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ballast \
    && install --directory --owner=ballast --group=ballast /work
COPY --from=build /opt/ballast /opt/ballast
# Compiled once per volume: /opt is read-only, and /tmp is gone with the container.
ENV PATH=/opt/ballast/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/work/.cache/numba
USER 1000:1000
WORKDIR /work
CMD ["ballast", "--help"]
